"""The only table from an error to what a person reads: what happened, where, what to try, the exit code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from axsync.console.words import clean, redact
from axsync.errors import (
    AxsyncError,
    BadAnswer,
    BadRequest,
    Busy,
    ConfigError,
    EntryChanged,
    EntryMissing,
    GuardRefused,
    LakeError,
    LaneError,
    ListDamaged,
    ManifestError,
    ManifestNewer,
    NewestDamaged,
    NoFile,
    NoInstance,
    NoLake,
    NothingCommon,
    NotOffered,
    NotWhole,
    OutOfTime,
    ProxyRefused,
    Refused,
    ServerError,
    SnapshotGone,
    StorageError,
    StoreDamaged,
    StoreError,
    StoreExposed,
    StoreLocked,
    UnknownCredential,
    UnknownEntity,
    UnknownRun,
    Unpublished,
    Unreachable,
    Unsure,
    Untrusted,
    UsageError,
    WebPage,
    WrongHost,
    WrongKeyFile,
    WrongPassphrase,
    WrongPassphraseFile,
)

FAILED, USAGE, PARTIAL, REFUSED, GUARDED, LATER = 1, 2, 3, 4, 5, 75
INTERRUPTED, TERMINATED = 130, 143


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads about an error; `cause` and `advice` may be empty."""

    headline: str
    cause: str
    advice: str
    exit_code: int
    places: tuple[str, ...] = ()  # the lanes it happened in, as `prod/devices`

    def lines(self, *, most_places: int = 6) -> list[str]:
        """The explanation as it is printed."""
        shown = ", ".join(self.places[:most_places])
        more = len(self.places) - most_places
        where = shown + (f" and {more} more" if more > 0 else "")
        told = [f"error: {where}: {self.headline}" if where else f"error: {self.headline}"]
        return told + [f"  {title}: {text}" for title, text in (("cause", self.cause), ("try", self.advice)) if text]


_BACKUP = "that file from a backup; or move it out of the lake: that run is forgotten then"
_POINTER = (
    "that file from a backup; or move it out of the lake, and _axsync/latest.json if that is another, and the next run "
    "writes a new one (with --fresh, where that of the day has finished), without counts of before to compare with, "
    "and with nothing but what it reads itself"
)

_UPDATE = "`axsync credential update NAME --key-file FILE --secret-file FILE`"

# The first type that fits speaks: the narrower ones stand above the wider ones. NAME becomes that of the error.
_TABLE: tuple[tuple[type[AxsyncError], int, str], ...] = (
    (UnknownEntity, USAGE, "`axsync entities` lists what is offered"),
    (
        NoInstance,
        USAGE,
        "`--credential NAME` for one that is stored (`axsync credential list`), or `axsync init` for a settings file",
    ),
    (NoFile, USAGE, "another name with --config; `axsync init` writes a settings file"),
    (ConfigError, USAGE, ""),
    (
        StoreExposed,
        USAGE,
        "chmod 600 for the file, 700 for its folder, both your own and no links; if others read it, new keys as well",
    ),
    (
        WrongPassphrase,
        USAGE,
        f"again, with the passphrase of this very store; where it is lost, remove the file and {_UPDATE} for each",
    ),
    (
        WrongPassphraseFile,
        USAGE,
        "the file that AXSYNC_PASSPHRASE_FILE names: it has to hold the passphrase of this very store",
    ),
    (
        WrongKeyFile,
        USAGE,
        "the file that AXSYNC_STORE_KEY_FILE names: it has to be the very one that the store was locked with",
    ),
    (StoreLocked, USAGE, "AXSYNC_PASSPHRASE_FILE or AXSYNC_STORE_KEY_FILE, or a terminal where you can be asked"),
    (ListDamaged, USAGE, "a copy of the file; if there is none, remove it and `axsync credential add` each one again"),
    (EntryMissing, USAGE, f"a copy of what held it, or {_UPDATE}"),
    (EntryChanged, USAGE, "`axsync credential update NAME --url URL`, with the host that it is really for"),
    (StoreDamaged, USAGE, f"a copy of the file; if there is none, remove it and {_UPDATE} for each"),
    (StoreError, USAGE, "`axsync credential list` shows what there is"),
    (UnknownCredential, USAGE, "`axsync credential list` shows the known ones, `axsync credential add` adds one"),
    (
        WrongHost,
        USAGE,
        "the url of the instance; where the host has really moved, `axsync credential update --url`",
    ),
    (NewestDamaged, USAGE, _POINTER),
    (LakeError, USAGE, "another place with --lake, or the right to write there"),
    (NoLake, USAGE, "another place with --lake"),
    (Unpublished, USAGE, "the same `axsync run` again, if it is unfinished; `axsync runs` says how it stands"),
    (UnknownRun, USAGE, "`axsync runs` lists the runs of a lake"),
    (ManifestNewer, USAGE, "an axsync as new as the one that wrote it"),
    (Unsure, USAGE, f"{_BACKUP}, and the next `axsync gc --yes` removes its part files"),
    (ManifestError, USAGE, f"{_BACKUP}, and `axsync gc` takes its part files for nobody's"),
    (SnapshotGone, USAGE, "`axsync verify` with that run says what of it is there; `axsync runs` lists the others"),
    (NothingCommon, USAGE, "`axsync show` says what a snapshot holds"),
    (UsageError, USAGE, ""),
    (ProxyRefused, REFUSED, "the user and password of the proxy: `proxy_user` and `proxy_password`, or its variable"),
    (Refused, REFUSED, "whether key and secret belong to this host and are still valid: `axsync check`"),
    (NotOffered, FAILED, "a role that may read it, or leave it out; `axsync check` shows the rights per entity type"),
    (BadRequest, FAILED, "the query and the list of fields in the configuration; `axsync fields` lists valid names"),
    (Untrusted, FAILED, "`axsync check` shows the certificate; `ca_file` and `client_cert` name those of your own"),
    (
        WebPage,
        LATER,
        "again later; if it stays, check `url`: it has to be that of Axonius itself; `axsync check` tries it",
    ),
    (Unreachable, LATER, "again later; `axsync check` shows how far a connection gets"),
    (BadAnswer, FAILED, "whether the address is that of Axonius itself and not of a proxy or login page"),
    (ServerError, FAILED, "`axsync check`"),
    (OutOfTime, PARTIAL, "the same command again: it goes on where this run stopped"),
    (LaneError, FAILED, "once more; if it stays, a smaller `page_size` or another `paging` in the configuration"),
    (
        StorageError,
        FAILED,
        "room and rights where the lake is, then the same command; the last snapshot is as it was",
    ),
    (NotWhole, GUARDED, "again, it goes on with what is missing; or --publish what-is-whole"),
    (GuardRefused, GUARDED, "--accept-drop, if there really are that many fewer assets now; nothing changed so far"),
    (Busy, LATER, "again when it has ended; the lock goes with its process, however that ends"),
    (AxsyncError, FAILED, ""),
)

_ABOUT_CODE = (TypeError, AttributeError, IndexError, AssertionError)
"""Errors whose texts are about the code and do not help an operator."""

_BUG = "this is a bug; run again with -v and report what it prints"


def explain(error: BaseException, *, environ: Mapping[str, str] | None = None) -> Explanation:
    """What to tell about this error. What is not an `AxsyncError` is a bug, told without what may be a secret."""
    if not isinstance(error, AxsyncError):
        text = redact(str(error), environ or {})
        headline = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return Explanation(clean(headline), "", _BUG, FAILED)
    exit_code, advice = next((code, words) for kind, code, words in _TABLE if isinstance(error, kind))
    notes = tuple(clean(note) for note in getattr(error, "__notes__", ()))
    advice = advice.replace("NAME", str(getattr(error, "name", "NAME")))
    return Explanation(clean(str(error)), clean(_cause(error)), advice, exit_code, notes)


def _cause(error: AxsyncError) -> str:
    if isinstance(error, ServerError):
        return error.detail if error.detail not in str(error) else ""
    cause = error.__cause__
    # Each floor may say the same again with its own words in front.
    words = "" if cause is None or isinstance(cause, AxsyncError) else in_words(cause)
    return "" if words in str(error) else words


def explain_all(errors: Sequence[BaseException]) -> list[Explanation]:
    """One explanation per kind of failure: sixty entity types of a host that is down are one thing to read."""
    told: dict[Explanation, tuple[str, ...]] = {}
    for error in errors:
        explanation = explain(error)
        key = replace(explanation, places=())
        # One error may have stopped many lanes, and then has a note of each.
        told[key] = tuple(dict.fromkeys(told.get(key, ()) + explanation.places))
    return [replace(key, places=places) for key, places in told.items()]


def in_words(cause: BaseException) -> str:
    """The cause in words; empty where it has none that help."""
    match cause:
        case OSError(strerror=str(why)):
            return f"{why}: {cause.filename}" if isinstance(cause.filename, str) else why
        case UnicodeError():
            return "it is no text in UTF-8"
        case json.JSONDecodeError():  # orjson's is one as well
            return f"it is no JSON: {cause.msg}"
        case KeyError():
            return f"it has no {cause}"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return "" if isinstance(cause, _ABOUT_CODE) else str(cause)
