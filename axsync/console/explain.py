"""The one table from an error to what a person reads: what happened, where, what to do, the exit code."""

import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from axsync.console.output import OutputOptions, say
from axsync.console.text import clean, redact
from axsync.errors import (
    AxsyncError,
    BadAnswer,
    BadRequest,
    BrokenPage,
    Busy,
    CatalogError,
    ClusterLost,
    ConfigError,
    DropByLimit,
    DropByQuery,
    EntryChanged,
    EntryMissing,
    ForeignTable,
    GuardRefused,
    InternalError,
    KeepsBetter,
    LakeError,
    LakeUnfit,
    LaneError,
    ListDamaged,
    ManifestError,
    ManifestNewer,
    NewestDamaged,
    NoFile,
    NoInstance,
    NoLake,
    NoLakeYet,
    NoRoomToSpill,
    NothingCommon,
    NotOffered,
    NotWhole,
    OutOfMemory,
    OutOfTime,
    Overtaken,
    ProxyRefused,
    Redirected,
    Refused,
    RegistryDamaged,
    ReplacesBetter,
    ServerError,
    ShardFailed,
    ShardUnfinished,
    SnapshotGone,
    StorageError,
    StoreDamaged,
    StoreError,
    StoreExposed,
    StoreLocked,
    TooLarge,
    UnknownApi,
    UnknownCredential,
    UnknownEntity,
    UnknownField,
    UnknownQuery,
    UnknownRun,
    Unpublished,
    Unreachable,
    Unsure,
    Untrusted,
    UsageError,
    WebPage,
    WorkerFailed,
    WrongHost,
    WrongKeyFile,
    WrongPassphrase,
    WrongPassphraseFile,
    out_of_memory,
)
from axsync.lake.answers import advice_for

FAILED, USAGE, PARTIAL, REFUSED, GUARDED, LATER = 1, 2, 3, 4, 5, 75
INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143
MOST_PLACES = 6
"""So many lanes are named with an error."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads about an error; `cause` and `advice` may be empty."""

    headline: str
    cause: str
    advice: str
    exit_code: int
    places: tuple[str, ...] = ()  # the lanes it happened in, as `prod/devices`

    def lines(self) -> list[str]:
        """The lines that are printed."""
        shown = ", ".join(self.places[:MOST_PLACES])
        more = len(self.places) - MOST_PLACES
        where = shown + (f" and {more} more" if more > 0 else "")
        told = [f"error: {where}: {self.headline}" if where else f"error: {self.headline}"]
        return told + [f"  {title}: {text}" for title, text in (("cause", self.cause), ("advice", self.advice)) if text]


_BACKUP = "Restore the file from a backup. Or move it out of the lake: axsync then forgets the run"
_POINTER = (
    "Restore the file from a backup. Or move it (and _axsync/latest.json) out of the lake: the next run writes new "
    "ones. That run has no earlier counts to compare with and publishes only what it reads (add --fresh if today's run "
    "has finished)."
)
_ITSELF = "Check that `url` is the address of Axonius itself, not of a proxy or login page."
_UPDATE = "`axsync credential update NAME --key-file FILE --secret-file FILE`"

# The first matching type wins, so narrow types stand above wide ones. NAME is replaced by the name in the error.
_TABLE: tuple[tuple[type[AxsyncError], int, str], ...] = (
    (UnknownEntity, USAGE, "Choose one of the types that `axsync entities` lists."),
    (
        NoInstance,
        USAGE,
        "Name a stored credential with `--credential NAME`, or write a settings file with `axsync init`.",
    ),
    (NoFile, USAGE, "Give the path of another file with --config, or write a settings file with `axsync init`."),
    (UnknownQuery, USAGE, "Choose one of the queries that `axsync queries` lists, by its name or its id."),
    (
        UnknownField,
        USAGE,
        "Choose one that `axsync fields TYPE` lists. A field that no catalogue lists goes into `extra_fields`.",
    ),
    (ConfigError, USAGE, ""),
    (
        StoreExposed,
        USAGE,
        "Own the file and folder, use no links, chmod 600 the file and 700 the folder. If it was read, renew the keys.",
    ),
    (
        WrongPassphrase,
        USAGE,
        f"Try again with the passphrase of this store. If it is lost, remove the file and run {_UPDATE} for each name.",
    ),
    (WrongPassphraseFile, USAGE, "Point AXSYNC_PASSPHRASE_FILE to a file with the passphrase of this store."),
    (WrongKeyFile, USAGE, "Point AXSYNC_STORE_KEY_FILE to the key file that this store was locked with."),
    (StoreLocked, USAGE, "Set AXSYNC_PASSPHRASE_FILE or AXSYNC_STORE_KEY_FILE, or run axsync in a terminal."),
    (
        ListDamaged,
        USAGE,
        "Restore the file from a backup. If there is none, remove it and run `axsync credential add` for each name.",
    ),
    (EntryMissing, USAGE, f"Restore it from a backup, or run {_UPDATE}."),
    (EntryChanged, USAGE, "Confirm the right host with `axsync credential update NAME --url URL`."),
    (
        StoreDamaged,
        USAGE,
        f"Restore the file from a backup. If there is none, remove it and run {_UPDATE} for each name.",
    ),
    (StoreError, USAGE, "Check with `axsync credential list` what the store holds."),
    (
        UnknownCredential,
        USAGE,
        "List the known names with `axsync credential list`, or add one with `axsync credential add`.",
    ),
    (
        WrongHost,
        USAGE,
        "Correct the url of the instance. If the host has moved, run `axsync credential update NAME --url URL`.",
    ),
    (NewestDamaged, USAGE, _POINTER),
    (
        RegistryDamaged,
        USAGE,
        "Restore the file from a backup, or run `axsync schema rebuild`, which makes it from the manifests.",
    ),
    (LakeUnfit, USAGE, ""),
    (ForeignTable, USAGE, "Move that table elsewhere, or choose another lake with --lake."),
    (LakeError, USAGE, "Choose another lake with --lake, or get permission to write there."),
    (NoLakeYet, USAGE, "Create it with `axsync run`. If it is elsewhere, name it with --lake."),
    (NoLake, USAGE, "Choose another lake with --lake."),
    (
        Unpublished,
        USAGE,
        "Check its state with `axsync runs`. If the run is unfinished, resume it with the same `axsync run` command.",
    ),
    (UnknownRun, USAGE, "List the runs of the lake with `axsync runs`."),
    (ManifestNewer, USAGE, "Upgrade axsync to the version that wrote it, or a newer one."),
    (Unsure, USAGE, f"{_BACKUP}, and the next `axsync gc --yes` deletes its data files."),
    (ManifestError, USAGE, f"{_BACKUP}, and `axsync gc` will delete its data files."),
    (
        ReplacesBetter,
        USAGE,
        "Give this run another lake with --lake. To replace it anyway, add --replace-worse.",
    ),
    (
        SnapshotGone,
        USAGE,
        "Check with `axsync verify` which of its files are left, or choose another run from `axsync runs`.",
    ),
    (NothingCommon, USAGE, "Check with `axsync show` what each snapshot holds."),
    (UsageError, USAGE, ""),
    (ProxyRefused, REFUSED, "Check `proxy_user` and `proxy_password`, or the variable that names the proxy."),
    (
        Refused,
        REFUSED,
        "Check that the key and secret belong to this host and are still valid: `axsync check`.",
    ),
    (UnknownApi, FAILED, _ITSELF),
    (
        NotOffered,
        FAILED,
        "Use a role that may read it, or leave it out with --skip. `axsync check` shows the rights per entity type.",
    ),
    (
        BadRequest,
        FAILED,
        "Check the query and the fields. `axsync fields` and `axsync queries` list what there is.",
    ),
    (
        Untrusted,
        FAILED,
        "Inspect the certificate with `axsync check`. Set `ca_file` or `client_cert` to use your own.",
    ),
    (
        WebPage,
        LATER,
        "Retry later. If it persists, check that `url` is the address of Axonius itself; `axsync check` tests it.",
    ),
    (TooLarge, FAILED, "Set a larger `max_page_bytes` for the instance. A response is held in memory whole."),
    (
        Redirected,
        FAILED,
        "Set `url` to that address if it is Axonius itself. Keys are not sent to any other address.",
    ),
    (Unreachable, LATER, "Retry later. `axsync check` shows how far a connection gets."),
    (InternalError, FAILED, "This is a bug. Report it with the traceback in the log."),
    (
        BrokenPage,
        FAILED,
        "Retry. If it persists, set a smaller `page_size` for the instance: a proxy may cut long responses.",
    ),
    (BadAnswer, FAILED, _ITSELF),
    (ServerError, FAILED, "Run `axsync check`."),
    (OutOfTime, PARTIAL, "Run the same command again, without --fresh: it resumes where this run stopped."),
    (
        LaneError,
        FAILED,
        "Retry. If it persists, set a smaller `page_size` or another `paging` in the configuration.",
    ),
    (
        OutOfMemory,
        FAILED,
        "Allow more, or set smaller `page_bytes`, `buffer_bytes` and `writers`. Rerun without --fresh to resume.",
    ),
    (
        NoRoomToSpill,
        FAILED,
        "Set TMPDIR to a folder with room for temporary files, or give `axsync diff` one with --temporary.",
    ),
    (Overtaken, LATER, "Run the same command again: it resumes the run, or reports that it is done."),
    (
        CatalogError,
        FAILED,
        "Check the catalog and its pyiceberg configuration (docs/tables.md). Then run the same command again.",
    ),
    (
        StorageError,
        FAILED,
        "Free disk space, or make sure that the lake can be written, then rerun. The last snapshot is unchanged.",
    ),
    (NotWhole, GUARDED, "Rerun to fetch what is missing, or publish the rest with --publish what-is-whole."),
    (
        ShardUnfinished,
        LATER,
        "Finish the shard with `axsync work`, or publish the rest with --what-is-whole.",
    ),
    (
        WorkerFailed,
        FAILED,
        "Check that worker's variables, its files, and its access to the lake. Then run the same command again.",
    ),
    (ClusterLost, LATER, "Check that the scheduler and its workers run. Then run the same command to resume."),
    (ShardFailed, PARTIAL, "Run `axsync work` for its shard again, then `axsync publish`: it adds what is missing."),
    (
        KeepsBetter,
        GUARDED,
        "Read it again with --fresh, or publish what was read: rerun with --replace-worse, without --fresh.",
    ),
    (
        DropByLimit,
        GUARDED,
        "Give a limited run a lake of its own with --lake. If the drop is intended, rerun with --accept-drop.",
    ),
    (
        DropByQuery,
        GUARDED,
        "Give a query a lake of its own with --lake. If the drop is intended, rerun with --accept-drop.",
    ),
    (
        GuardRefused,
        GUARDED,
        "If there really are that many fewer assets, rerun with --accept-drop. Nothing has changed so far.",
    ),
    (Busy, LATER, "Retry when the other run has ended. The lock is released when its process exits."),
    (AxsyncError, FAILED, ""),
)

_ABOUT_CODE = (TypeError, AttributeError, IndexError, AssertionError)
"""Errors whose texts are about the code and do not help an operator."""

_BUG = "This is a bug. Run the command again with -v and report the output."


def explain(error: BaseException, *, environ: Mapping[str, str] | None = None) -> Explanation:
    """Explain an error. Anything but an `AxsyncError` is a bug; possible secrets are removed from its text."""
    error = out_of_memory(error) or _without_temporary_folder(error) or error
    if not isinstance(error, AxsyncError):
        text = redact(str(error), environ or {})
        headline = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return Explanation(clean(headline), "", _BUG, FAILED)
    exit_code, advice = next((code, words) for kind, code, words in _TABLE if isinstance(error, kind))
    notes = tuple(clean(note) for note in getattr(error, "__notes__", ()))
    advice = advice_for(error) or advice.replace("NAME", str(getattr(error, "name", "NAME")))
    return Explanation(clean(str(error)), clean(_cause(error)), advice, exit_code, notes)


def _without_temporary_folder(error: BaseException) -> ConfigError | None:
    """What Python says where it finds no folder for temporary files, as in a container that is read-only."""
    if isinstance(error, FileNotFoundError) and "usable temporary directory" in str(error):
        return ConfigError("there is no folder for temporary files; name one that can be written with TMPDIR")
    return None


def _cause(error: AxsyncError) -> str:
    if isinstance(error, ServerError):
        return error.detail if error.detail not in str(error) else ""
    cause = error.__cause__
    # Each layer may repeat the message of the one below with a prefix.
    words = "" if cause is None or isinstance(cause, AxsyncError) else in_words(cause)
    return "" if words in str(error) else words


def explain_all(errors: Sequence[BaseException]) -> list[Explanation]:
    """One explanation per kind of failure: sixty entity types of one unreachable host make one paragraph."""
    told: dict[Explanation, tuple[str, ...]] = {}
    for error in errors:
        explanation = explain(error)
        key = replace(explanation, places=())
        # An error that stopped several lanes has a note for each.
        told[key] = tuple(dict.fromkeys(told.get(key, ()) + explanation.places))
    return [replace(key, places=places) for key, places in told.items()]


def in_words(cause: BaseException) -> str:
    """What Python or a library says went wrong, without class names and error numbers; empty if that does not help."""
    match cause:
        case OSError(strerror=str(why)):
            return f"{why}: {cause.filename}" if isinstance(cause.filename, str) else why
        case UnicodeError():
            return "it is not UTF-8 text"
        case json.JSONDecodeError():  # orjson's is one as well
            return f"it is not JSON: {cause.msg}"
        case KeyError():
            return f"it has no {cause}"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return "" if isinstance(cause, _ABOUT_CODE) else str(cause)


def report_error(error: Exception, options: OutputOptions) -> int:
    """Write on stderr what a person reads about an error, of a bug its traceback with -v; returns the exit code."""
    explanation = explain(error, environ=os.environ)
    if options.verbosity > 0 and not isinstance(error, AxsyncError):
        sys.stderr.write("".join(_traceback(error)))
    say(("; " if options.log_format == "json" else "\n").join(explanation.lines()), options, level="error")
    return explanation.exit_code


def _traceback(error: BaseException) -> Iterator[str]:
    """The traceback in full, with possible secrets removed from the messages."""
    if earlier := error.__cause__ or error.__context__:
        yield from _traceback(earlier)
        yield "\nand then\n\n"
    yield from traceback.format_tb(error.__traceback__)
    yield clean(redact("".join(traceback.format_exception_only(error)), os.environ), most=2000) + "\n"
