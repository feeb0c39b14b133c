import pytest

from axsync.client.failures import RedirectAnswer
from axsync.console.explain import explain, explain_all
from axsync.errors import (
    AxsyncError,
    BadAnswer,
    BadRequest,
    BrokenPage,
    ConfigError,
    EntryChanged,
    EntryMissing,
    GuardRefused,
    LakeError,
    LaneError,
    ListDamaged,
    NoFile,
    NoInstance,
    NoLake,
    NoLakeYet,
    NotOffered,
    Redirected,
    Refused,
    StorageError,
    StoreDamaged,
    StoreError,
    StoreExposed,
    StoreLocked,
    UnknownApi,
    UnknownCredential,
    UnknownEntity,
    UnknownField,
    UnknownQuery,
    Unreachable,
    WebPage,
    WrongHost,
    WrongKeyFile,
    WrongPassphrase,
    WrongPassphraseFile,
)
from axsync.lake.answers import as_os_error

HOST = "acme.example"


def noted(error: AxsyncError, *notes: str) -> AxsyncError:
    for note in notes:
        error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (ConfigError("limit must be positive"), 2, ""),
        (StoreExposed("the store has mode 0644"), 2, "chmod 600"),
        (StoreLocked("the passphrase does not open it"), 2, "AXSYNC_PASSPHRASE_FILE"),
        (WrongPassphrase("it does not open it"), 2, "Try again"),
        (WrongPassphraseFile("it does not open it"), 2, "AXSYNC_PASSPHRASE_FILE"),
        (WrongKeyFile("it does not open it"), 2, "AXSYNC_STORE_KEY_FILE"),
        (StoreDamaged("it is damaged"), 2, "axsync credential update NAME --key-file"),
        (ListDamaged("it is damaged"), 2, "axsync credential add"),
        (EntryMissing("it is not there", name="lab"), 2, "axsync credential update lab --key-file"),
        (EntryChanged("it was changed", name="lab"), 2, "axsync credential update lab --url"),
        (NoInstance("there is no axsync.toml here"), 2, "--credential NAME"),
        (NoLakeYet("there is no lake 'lake' yet"), 2, "Create it with `axsync run`."),
        (UnknownField("fields (--fields): …"), 2, "goes into `extra_fields`"),
        (UnknownQuery("saved_query of devices: …"), 2, "`axsync queries` lists"),
        (NoFile("there is no configuration file"), 2, "axsync init"),
        (StoreError("the store cannot be written"), 2, "axsync credential list"),
        (UnknownCredential("there is no credential 'prod'", name="prod"), 2, "axsync credential add"),
        (WrongHost(name="prod", bound="https://a.example", asked="https://b.example"), 2, "update prod --url"),
        (UnknownEntity("device", instance="prod", nearest="devices"), 2, "axsync entities"),
        (LakeError("the lake is a file"), 2, "--lake"),
        (Refused("no", host=HOST, status=401), 4, "axsync check"),
        (NotOffered("no", host=HOST, status=403), 1, "role"),
        (UnknownApi("no", host=HOST, status=404), 1, "Check that `url`"),
        (Redirected("no", host=HOST, status=302), 1, "Set `url`"),
        (RedirectAnswer("no", host=HOST, status=302), 1, "Set `url`"),
        (BrokenPage("no", host=HOST, status=200), 1, "page_size"),
        (BadRequest("no", host=HOST, status=400), 1, "axsync fields"),
        (Unreachable("no", host=HOST), 75, "later"),
        (WebPage("no", host=HOST, status=200), 75, "check that `url`"),
        (BadAnswer("no", host=HOST, status=200), 1, "proxy"),
        (LaneError("the walk goes in circles"), 1, "page_size"),
        (StorageError("the disk is full"), 1, "disk space"),
        (GuardRefused("devices fell by 60 %"), 5, "--accept-drop"),
        (AxsyncError("something else"), 1, ""),
        (ValueError("oops"), 1, "-v"),
    ],
)
def test_each_error_has_an_exit_code_and_advice(error: Exception, code: int, word: str) -> None:
    """The table of docs/operations.md, "Exit codes", and words about what to try."""
    explanation = explain(error)

    assert explanation.exit_code == code
    assert word in explanation.advice


def test_an_explanation_says_where_what_why_and_what_to_try() -> None:
    """The lane stands first; the server's words are cleaned."""
    error = noted(BadRequest(f"{HOST} answered 400", host=HOST, status=400, detail="bad\x1b[31m AQL"), "prod/devices")

    assert explain(error).lines() == [
        "error: prod/devices: acme.example answered 400",
        "  cause: bad AQL",
        "  advice: Check the query and the fields. `axsync fields` and `axsync queries` list what there is.",
    ]


def test_the_same_failure_of_many_lanes_is_one_thing_to_read() -> None:
    """Places are listed once each and cut; one error may carry the notes of several lanes."""
    shared = noted(Refused("refused", host=HOST, status=401), *(f"prod/type{i}" for i in range(9)))
    other = noted(LaneError("a loop"), "prod/users")

    first, second = explain_all([shared, shared, other])

    assert first.lines()[0] == (
        "error: prod/type0, prod/type1, prod/type2, prod/type3, prod/type4, prod/type5 and 3 more: refused"
    )
    assert second.places == ("prod/users",)


def test_a_bug_is_told_without_what_may_be_a_secret() -> None:
    """Type and message are shown, keys are not."""
    error = ValueError("bad header 'abcd1234abcd1234abcd'")

    assert explain(error, environ={}).headline == "ValueError: bad header '***'"


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("<Code>NoSuchBucket</Code>", "address"),
        ("<Code>PermanentRedirect</Code>", "`region`"),
        ("<Code>AccessDenied</Code>", "rights"),
        ("<Code>SignatureDoesNotMatch</Code>", "AWS_PROFILE"),
        ("<Code>ExpiredToken</Code>", "Renew"),
        ("<Code>SlowDown</Code>", "Retry later"),
        ("HTTP error: connection refused", "`endpoint`"),
        ("status code: 500", "Run the same command again"),
    ],
)
def test_what_a_store_refuses_has_advice_of_its_own(said: str, word: str) -> None:
    """Whether the lake was to be read or written, and not that of a disk."""
    for kind in (LakeError, NoLake, StorageError):
        error = kind("cannot")
        error.__cause__ = as_os_error(OSError(said), "key")
        assert word in explain(error).advice


def test_a_cause_from_elsewhere_is_told() -> None:
    """What the operating system said helps more than our own sentence."""
    error = LakeError("the lake cannot be written")
    error.__cause__ = PermissionError(13, "Permission denied")

    assert explain(error).cause == "Permission denied"


def test_a_machine_without_a_temporary_folder_is_no_bug() -> None:
    """One sentence, which names the variable."""
    error = FileNotFoundError(2, "No usable temporary directory found in ['/tmp', '/']")

    assert (explain(error).exit_code, explain(error).advice) == (2, "")
    assert "TMPDIR" in explain(error).headline
