"""The credential commands against an emulator: at a terminal, and with nobody there."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from axsync.cli import main
from axsync.cli.demo import emulator
from axsync.console import credentials
from axsync.credentials import encrypted_file
from axsync.emulator.options import DEMO_CLIENT, DEMO_CLIENT_SECRET, DEMO_KEY, DEMO_SECRET
from axsync.settings import InstanceSettings
from tests.unit.credentials.keyrings import memory_keyring

SECONDS = 120.0  # a machine may be busy; nothing here takes a tenth of that
QUICK = ("--profile", "p90", "--type", "devices", "--size", "devices=20")  # it lists its types: few questions


@dataclass
class Ran:
    code: int
    out: str
    err: str


@dataclass
class Home:
    """A store, and files that open it and fill it."""

    folder: Path
    url: str
    environ: dict[str, str] = field(default_factory=dict)

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def repoint(self, url: str) -> None:
        """As somebody would who can write the list and not open the store."""
        index = self.folder / "home/credentials.json"
        index.write_text(index.read_text().replace(self.url, url))

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> Ran:
        """With nobody at the keyboard."""
        result = CliRunner(env=self.environ | environ).invoke(main, arguments, input=stdin)
        return Ran(result.exit_code, result.stdout, result.stderr)

    def start(self, *arguments: str, stdin: str = "") -> Ran:
        """The same as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "axsync", *arguments],
            cwd=self.folder,
            env=os.environ | self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def add(self, name: str = "prod", *options: str) -> Ran:
        key, secret = self.file("key", DEMO_KEY), self.file("secret", DEMO_SECRET + "\n")
        files = ("--key-file", key, "--secret-file", secret)
        return self.run("credential", "add", name, "--url", self.url, "--keep", "file", *files, *options)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator(QUICK) as url:
        yield url


@pytest.fixture
def home(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Opened with a key file, which takes no time; no keyring."""
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path, url)
    home.environ = {
        "AXSYNC_HOME": str(tmp_path / "home"),
        "AXSYNC_STORE_KEY_FILE": home.file("opener", "0" * 32),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    return home


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase costs nothing, nor does the pace; what a process of its own seals and asks takes its time."""
    monkeypatch.setattr(encrypted_file, "Cost", partial(encrypted_file.Cost, n=2))
    monkeypatch.setattr(credentials, "InstanceSettings", partial(InstanceSettings, requests_per_second=1000))


@pytest.fixture
def locked(home: Home) -> Home:
    """Opened with a passphrase in a file."""
    del home.environ["AXSYNC_STORE_KEY_FILE"]
    home.environ["AXSYNC_PASSPHRASE_FILE"] = home.file("passphrase", "correct horse")
    return home


class Terminal:
    """A program on a pseudo-terminal: what it prints is read, what it asks is answered."""

    def __init__(self, descriptor: int, process: "subprocess.Popen[bytes]") -> None:
        self._descriptor, self._process = descriptor, process
        self.shown = ""
        self._seen = 0

    def answer(self, question: str, text: str) -> None:
        """Wait until it asks this, then type; the blank at the end comes when typing is no longer shown."""
        self._until(lambda: question in self.shown[self._seen :] and self.shown.endswith(": "))
        self._seen = len(self.shown)
        os.write(self._descriptor, text.encode() + b"\n")

    def end(self) -> int:
        """Its exit code."""
        self._until(lambda: False)
        return self._process.wait(SECONDS)

    def _until(self, enough: Callable[[], bool]) -> None:
        ends = time.monotonic() + SECONDS
        while not enough():
            assert time.monotonic() < ends, f"nothing of the kind was asked: {self.shown!r}"
            if not select.select([self._descriptor], [], [], 1.0)[0]:
                continue
            try:
                read = os.read(self._descriptor, 65536)
            except OSError:  # how Linux says that the other end is closed
                return
            if not read:
                return
            self.shown += read.decode(errors="replace")


@contextmanager
def on_terminal(home: Home, *arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    with ExitStack() as stack:
        stack.callback(os.close, ours)
        # A session of its own with the terminal in control, so that passphrases are read from it and not from ours.
        process = subprocess.Popen(
            [sys.executable, "-c", _CONTROLLED, *arguments],
            cwd=home.folder,
            env=os.environ | home.environ | {"TERM": "xterm", "COLUMNS": "100"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield Terminal(ours, process)


_CONTROLLED = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from axsync.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_life_at_the_terminal(home: Home) -> None:
    """Added, tested, run, rotated, run again; no key, secret or passphrase is ever shown."""
    del home.environ["AXSYNC_STORE_KEY_FILE"]
    with on_terminal(home, "credential", "add", "prod") as terminal:
        terminal.answer("URL of the instance", home.url + "/api")
        terminal.answer("write it as", home.url)
        terminal.answer("Description", "nightly copy")
        terminal.answer("New passphrase for the credential store", "short")
        assert "A passphrase locks it, and each command" in terminal.shown
        assert "set AXSYNC_PASSPHRASE_FILE to its path" in " ".join(terminal.shown.split())
        terminal.answer("fewer than 8 characters", "correct horse")
        terminal.answer("Repeat for confirmation", "correct horse")
        terminal.answer("API key (not shown)", DEMO_KEY)
        terminal.answer("API secret (not shown)", DEMO_SECRET)
        assert terminal.end() == 0
        assert "only service accounts may call the API" in terminal.shown
        assert "accepts the credential; API v2, product version 9_0_4" in terminal.shown
        shown = terminal.shown
    for command in (("credential", "test", "prod"), ("run", "devices", "--credential", "prod", "--lake", "lake")):
        with on_terminal(home, *command) as terminal:
            terminal.answer("Passphrase of the credential store", "correct horse")
            assert terminal.end() == 0
            shown += terminal.shown
    with on_terminal(home, "credential", "update", "prod") as terminal:
        terminal.answer("Passphrase of the credential store", "correct horse")
        terminal.answer(f"They are for {home.url}", DEMO_KEY)
        terminal.answer("API secret (not shown)", DEMO_SECRET)
        assert terminal.end() == 0
        shown += terminal.shown
    with on_terminal(home, "run", "--credential", "prod", "--lake", "lake", "--fresh") as terminal:
        terminal.answer("Passphrase of the credential store", "correct horse")
        assert terminal.end() == 0
        shown += terminal.shown
    with on_terminal(home, "credential", "remove", "prod") as terminal:
        terminal.answer("Remove credential 'prod'", "n")
        assert terminal.end() == 1

    assert not [mark for mark in (DEMO_KEY, DEMO_SECRET, "correct horse") if mark in shown]
    assert "nightly copy" in home.run("credential", "list").out


def test_a_slip_of_the_hand_at_the_terminal(home: Home) -> None:
    """What can be no key is asked for again, unrepeated; Ctrl-C at a question is exit code 130, nothing is saved."""
    with on_terminal(
        home, "credential", "add", "prod", "--url", home.url, "--description", "", "--no-test"
    ) as terminal:
        terminal.answer("API key (not shown)", "tw0 w0rds")
        terminal.answer("API key (not shown)", "k3y")
        terminal.answer("API secret (not shown)", "\x03")
        assert terminal.end() == 130

    assert "w0rds" not in terminal.shown
    assert "Traceback" not in terminal.shown
    assert home.run("credential", "list").out.startswith("there are no credentials")


def test_a_wrong_passphrase_at_the_terminal(locked: Home) -> None:
    """One sentence, exit code 2, and what was typed is not shown."""
    home = locked
    assert home.add("prod", "--no-test").code == 0
    del home.environ["AXSYNC_PASSPHRASE_FILE"]
    with on_terminal(home, "check", "--credential", "prod") as terminal:
        terminal.answer("Passphrase of the credential store", "wrong horse")
        assert terminal.end() == 2

    assert "the passphrase does not open it" in terminal.shown
    assert "advice: Try again with the passphrase of this store" in terminal.shown
    assert "wrong horse" not in terminal.shown


@pytest.mark.slow
def test_a_life_without_anybody(locked: Home) -> None:
    """In processes of their own: added from files, tested, run, rotated through standard input, run again."""
    key, secret = locked.file("key", DEMO_KEY), locked.file("secret", DEMO_SECRET + "\n")
    files = ("--url", locked.url, "--keep", "file", "--key-file", key, "--secret-file", secret)
    pair = f"{DEMO_KEY}\n{DEMO_SECRET}\n"
    ran = [
        locked.start("credential", "add", "prod", *files),
        locked.start("credential", "test", "prod"),
        locked.start("run", "--credential", "prod", "--lake", "lake", "-q"),
        locked.start("credential", "update", "prod", "--stdin", stdin=pair),
        locked.start("run", "--credential", "prod", "--lake", "lake", "-q", "--fresh"),
    ]

    assert [(one.code, one.err) for one in ran] == [(0, "")] * 5
    assert not [mark for mark in (DEMO_KEY, DEMO_SECRET, "correct horse") for one in ran if mark in one.out]


def test_what_is_kept_is_used_and_listed(home: Home) -> None:
    """By a run without a file, by a file without a URL, under a new name, and no more once it is removed."""
    added = home.add("prod", "--description", "nightly copy")
    assert (added.code, added.err) == (0, "")
    assert re.search("^credential 'prod' for http.* was saved: encrypted file$", added.out, re.MULTILINE)
    assert re.search(
        "nightly copy .* api-key  encrypted file  never$", home.run("credential", "list").out, re.MULTILINE
    )

    assert home.run("credential", "test", "prod").code == 0
    assert home.run("run", "--credential", "prod", "--lake", "lake", "-q").code == 0
    rotated = home.run("credential", "update", "prod", "--stdin", stdin=f"{DEMO_KEY}\n{DEMO_SECRET}\n")
    assert rotated.code == 0
    home.file("axsync.toml", '[lake]\nuri = "lake"\n[instances.main]\ncredential = "prod"\n')
    again = home.run("run", "-q")
    assert again.code == 0
    assert again.err.endswith("instance prod is not in the configuration any more; the snapshot no longer has it\n")
    assert "instance=main" in "".join(str(path) for path in (home.folder / "lake").glob("entity=devices/*"))

    assert '"last_used": "20' in home.run("credential", "show", "prod", "--output", "json").out
    assert home.run("credential", "rename", "prod", "main").code == 0
    assert home.run("credential", "remove", "main", "--yes").code == 0
    assert home.run("credential", "list").out.startswith("there are no credentials")


def test_what_the_host_refuses_is_not_saved(home: Home) -> None:
    """Exit code 4 for a refused key, 75 for a host that is not there; --no-test saves all the same."""
    wrong = ("--stdin", "--keep", "file")
    refused = home.run("credential", "add", "prod", "--url", home.url, *wrong, stdin="wr0ng-k3y\nwr0ng-s3cret\n")
    gone = home.run(
        "credential", "add", "prod", "--url", "http://127.0.0.1:9", *wrong, stdin="wr0ng-k3y\nwr0ng-s3cret\n"
    )

    assert (refused.code, gone.code) == (4, 75)
    assert "does not accept the credential" in refused.err
    assert "nothing was saved" in refused.err
    assert "wr0ng" not in refused.err + refused.out + gone.err + gone.out
    assert home.run("credential", "list").out.startswith("there are no credentials")

    saved = home.run(
        "credential", "add", "prod", "--url", home.url, *wrong, "--no-test", stdin="wr0ng-k3y\nwr0ng-s3cret\n"
    )
    assert saved.code == 0
    assert home.run("run", "--credential", "prod", "--lake", "lake").code == 4
    assert not (home.folder / "lake").exists()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda home: home.file("opener", "1" * 32), "the key file does not open it"),
        (lambda home: (home.folder / "home/credentials.vault").chmod(0o644), "has mode 0644 and can be read by others"),
        (lambda home: (home.folder / "home/credentials.json").chmod(0o644), "has mode 0644 and can be read by others"),
        (lambda home: home.file("home/credentials.vault", "x" * 100), "cannot be opened: it is damaged"),
        (lambda home: home.file("home/credentials.json", "{"), "cannot be read: it is damaged"),
        (lambda home: home.environ.pop("AXSYNC_STORE_KEY_FILE"), "it is locked with a key file"),
        (
            lambda home: home.file(
                "axsync.toml", '[instances.a]\nurl = "https://other.example"\ncredential = "prod"\n'
            ),
            "and is not sent to https://other.example",
        ),
        (lambda home: home.file("axsync.toml", '[instances.a]\ncredential = "prdo"\n'), "did you mean 'prod'?"),
    ],
)
def test_a_spoilt_store_is_one_sentence(home: Home, spoil: Callable[[Home], object], sentence: str) -> None:
    """Exit code 2, before anything is sent or written."""
    assert home.add("prod", "--no-test").code == 0
    home.file("axsync.toml", '[instances.a]\ncredential = "prod"\n')
    spoil(home)
    ran = home.run("run", "--lake", "lake")

    assert ran.code == 2
    assert sentence in ran.err
    assert "  advice: " in ran.err
    assert len(ran.err.splitlines()) == 2
    assert not (home.folder / "lake").exists()


UPDATE = "`axsync credential update prod --key-file FILE --secret-file FILE`"


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (
            lambda home: home.file("opener", "1" * 32),
            "Point AXSYNC_STORE_KEY_FILE to the key file that this store was locked with",
        ),
        (lambda home: (home.folder / "home/credentials.vault").unlink(), f"Restore it from a backup, or run {UPDATE}"),
        (lambda home: home.file("home/credentials.vault", "x"), UPDATE.replace("prod", "NAME") + " for each"),
        (
            lambda home: home.repoint("https://evil.example"),
            "Confirm the right host with `axsync credential update prod --url URL`",
        ),
        (lambda home: home.file("home/credentials.json", "{"), "run `axsync credential add` for each name"),
    ],
)
def test_advice_follows_the_cause(home: Home, spoil: Callable[[Home], object], advice: str) -> None:
    """What is wrong with the store says what to try."""
    assert home.add("prod", "--no-test").code == 0
    spoil(home)
    ran = home.run("check", "--credential", "prod")

    assert ran.code == 2
    assert advice in ran.err.partition("  advice: ")[2]


def test_advice_names_the_passphrase_file(locked: Home) -> None:
    """Where the passphrase came from a file, nobody is told to type it again."""
    assert locked.add("prod", "--no-test").code == 0
    locked.file("passphrase", "wrong horse")

    assert (
        "Point AXSYNC_PASSPHRASE_FILE to a file with the passphrase" in locked.run("check", "--credential", "prod").err
    )


def test_advice_can_be_followed(home: Home) -> None:
    """After a loss of the file new keys are added to what is known; a host that was changed is said once more."""
    assert home.add().code == 0
    (home.folder / "home/credentials.vault").unlink()
    pair = ("--key-file", home.file("key", DEMO_KEY), "--secret-file", home.file("secret", DEMO_SECRET))
    assert home.run("credential", "update", "prod", *pair).code == 0
    assert home.run("credential", "test", "prod").code == 0

    home.repoint("https://evil.example")
    refused = home.run("credential", "update", "prod", *pair)
    assert (refused.code, "was changed outside of axsync" in refused.err) == (2, True)
    assert home.run("credential", "update", "prod", "--url", home.url).code == 0
    assert home.run("credential", "test", "prod").code == 0


def test_what_was_changed_beside_the_host_is_not_taken_over(home: Home) -> None:
    """Whoever says the host again has not said yes to another's certificates."""
    assert home.add().code == 0
    index = home.folder / "home/credentials.json"
    index.write_text(index.read_text().replace('"ca_file": ""', f'"ca_file": "{home.file("evil.pem", "x")}"'))
    refused = home.run("credential", "update", "prod", "--stdin", stdin=f"{DEMO_KEY}\n{DEMO_SECRET}\n")

    assert (refused.code, "sealed with its secret (ca_file)" in refused.err) == (2, True)
    assert home.run("credential", "update", "prod", "--url", home.url).code == 0
    assert "evil.pem" not in index.read_text()


def test_what_cannot_be_opened_is_removed_with_a_word(home: Home) -> None:
    """A damaged file, then none; the name is free again."""
    assert home.add("prod", "--no-test").code == 0
    assert home.add("lab", "--no-test").code == 0
    vault = Path(home.file("home/credentials.vault", "x"))
    removed = home.run("credential", "remove", "prod", "--yes")
    assert (removed.code, "note: the credential store" in removed.err) == (0, True)
    assert "it was not changed and may still hold the key" in removed.err

    vault.unlink()
    removed = home.run("credential", "remove", "lab", "--yes", AXSYNC_STORE_KEY_FILE="")
    assert (removed.code, "is missing" in removed.err) == (0, True)
    assert home.run("credential", "list").out.startswith("there are no credentials")


def test_a_list_warns_of_what_will_not_open(home: Home) -> None:
    """On stderr, with what to try; it lists all the same, as JSON too."""
    assert home.add("prod", "--no-test").code == 0
    assert home.run("credential", "list").err == ""
    (home.folder / "home/credentials.vault").chmod(0o644)
    exposed = home.run("credential", "list", "--output", "json")
    (home.folder / "home/credentials.vault").unlink()
    gone = home.run("credential", "list")

    assert [one.code for one in (exposed, gone)] == [0, 0]
    assert exposed.err.startswith("warning: the credential store ")
    assert "mode 0644 and can be read by others\n  advice: Own the file and folder, use no links" in exposed.err
    assert json.loads(exposed.out)[0]["name"] == "prod"
    assert gone.err.endswith(f"is missing\n  advice: Restore it from a backup, or run {UPDATE}.\n")
    assert "encrypted file" in gone.out


def test_another_passphrase_at_the_terminal(locked: Home) -> None:
    """The old one is asked first, the new one twice; neither is shown, and only the new one opens the store."""
    home = locked
    assert home.add("prod", "--no-test").code == 0
    passphrase = home.environ.pop("AXSYNC_PASSPHRASE_FILE")
    with on_terminal(home, "credential", "rekey") as terminal:
        terminal.answer("Passphrase of the credential store", "wrong horse")
        assert terminal.end() == 2
    assert "New passphrase" not in terminal.shown
    with on_terminal(home, "credential", "rekey") as terminal:
        terminal.answer("Passphrase of the credential store", "correct horse")
        terminal.answer("New passphrase for the credential store", "new horse")
        terminal.answer("Repeat for confirmation", "new horse")
        assert terminal.end() == 0

    assert "now opens with the new passphrase" in terminal.shown
    assert not [mark for mark in ("correct horse", "new horse") if mark in terminal.shown]
    assert home.run("credential", "test", "prod", AXSYNC_PASSPHRASE_FILE=passphrase).code == 2
    home.file("passphrase", "new horse")
    assert home.run("credential", "test", "prod", AXSYNC_PASSPHRASE_FILE=passphrase).code == 0


def test_another_passphrase_with_nobody_there(home: Home) -> None:
    """From a key file to a passphrase and back, from files; what cannot open a store changes nothing."""
    assert home.run("credential", "rekey").err.startswith("error: there is no encrypted file")
    assert home.add().code == 0
    new, short = home.file("new", "new horse\n"), home.file("short", "short\n")
    for arguments, sentence in {
        (): "the new passphrase is missing; give it with --new-passphrase-file or --new-key-file",
        ("--new-passphrase-file", short): "the file of --new-passphrase-file holds fewer than 8 characters",
        ("--new-key-file", short): "--new-key-file names a file that does not hold 32 to 65536 bytes",
        ("--new-passphrase-file", new, "--new-key-file", short): "cannot be combined",
        ("--new-key-file", str(home.folder / "opener")): "is the same as the old one",
    }.items():
        refused = home.run("credential", "rekey", *arguments)
        assert (refused.code, sentence in refused.err) == (2, True)
    assert home.run("credential", "test", "prod").code == 0

    assert home.run("credential", "rekey", "--new-passphrase-file", new).code == 0
    assert home.run("credential", "test", "prod").code == 2
    assert home.run("credential", "test", "prod", AXSYNC_PASSPHRASE_FILE=new).code == 0
    back = home.run("credential", "rekey", "--new-key-file", home.file("k2", "2" * 32), AXSYNC_PASSPHRASE_FILE=new)
    assert (back.code, "AXSYNC_STORE_KEY_FILE to its file" in back.out) == (0, True)
    home.file("opener", "2" * 32)
    assert home.run("credential", "test", "prod").code == 0


def test_variables_that_a_credential_overrules_are_told(home: Home) -> None:
    """By their names, in one line; none that says the same or is a reference of the credential."""
    assert home.add().code == 0
    keys = {"AX_KEY": "wr0ng-k3y", "AX_SECRET": "wr0ng-s3cret"}
    told = home.run("check", "--credential", "prod", AX_URL="https://other.example", **keys)
    counts = "set in the environment and not used: --credential determines the host and the keys\n"
    assert (told.code, told.err) == (0, f"note: AX_URL, AX_KEY and AX_SECRET are {counts}")
    assert "note: AX_KEY is set" in home.run("check", "--credential", "prod", AX_URL=home.url + "/", AX_KEY="x").err

    references = ("--key-reference", "env:AX_KEY", "--secret-reference", "env:AX_SECRET")
    right = {"AX_KEY": DEMO_KEY, "AX_SECRET": DEMO_SECRET}
    assert home.run("credential", "add", "vars", "--url", home.url, *references, **right).code == 0
    assert home.run("check", "--credential", "vars", **right).err == ""


def test_without_a_file_the_ways_on_are_told(home: Home) -> None:
    """The store and `axsync init` besides the variables; another name for a file that is not there."""
    ran = home.run("check")
    advice = ran.err.partition("  advice: ")[2]
    assert (ran.code, "Name a stored credential with `--credential NAME`" in advice, "`axsync init`" in advice) == (
        2,
        True,
        True,
    )
    assert "write a settings file with `axsync init`" in home.run("check", "--config", "no.toml").err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "a/b", "--url", "https://a.example", "--stdin"), "the name of a credential must be written with"),
        (("add", "new", "--stdin"), "the host is missing; give it with --url https://host"),
        (("add", "new", "--url", "https://a.test"), "key and secret are missing; give them with --key-file and"),
        (("add", "new", "--url", "https://a.test", "--stdin"), "--stdin expects two lines, key and secret, not 0"),
        (("add", "new", "--url", "https://a.example/x", "--stdin"), "has a path after the host"),
        (
            ("add", "new", "--url", "https://a.test", "--key-reference", "env:A"),
            "the reference to the secret is empty",
        ),
        (
            ("add", "new", "--url", "https://a.test", "--key-reference", "k3y", "--stdin"),
            "references cannot be combined with",
        ),
        (("add", "prod", "--url", "https://a.example", "--stdin"), "there is already a credential 'prod'"),
        (("update", "no"), "there is no credential 'no'; known: prod"),
        (("show", "no"), "there is no credential 'no'"),
        (("test", "no"), "there is no credential 'no'"),
        (("remove", "prod"), "this needs confirmation, and there is no terminal; confirm with --yes"),
        (("rename", "prod", "a/b"), "the name of a credential must be written with"),
    ],
)
def test_what_cannot_be_is_said(home: Home, arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2; the store stays as it was."""
    references = ("--key-reference", "env:A", "--secret-reference", "env:B", "--no-test")
    assert home.run("credential", "add", "prod", "--url", home.url, *references, A="a", B="b").code == 0
    before = (home.folder / "home/credentials.json").read_bytes()
    ran = home.run("credential", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
    assert (home.folder / "home/credentials.json").read_bytes() == before


def test_an_update_keeps_what_it_is_not_told(home: Home) -> None:
    """A description needs no passphrase; another host needs an explicit word, and then the key goes there only."""
    assert home.add().code == 0
    described = home.run("credential", "update", "prod", "--description", "new words", AXSYNC_STORE_KEY_FILE="")
    assert described.code == 0
    assert "new words" in home.run("credential", "list").out

    with emulator(QUICK) as other:
        home.file("axsync.toml", f'[instances.a]\nurl = "{other}"\ncredential = "prod"\n')
        assert home.run("check").code == 2
        assert home.run("credential", "update", "prod", "--url", other).code == 0
        assert home.run("check").code == 0


@pytest.mark.parametrize("options", [(), ("--keep", "auto"), ("--keep", "keyring")])
def test_the_keyring_comes_first_where_there_is_one(home: Home, options: tuple[str, ...]) -> None:
    """No encrypted file is made; the credential is moved into it by an explicit word only."""
    keys = ("--url", home.url, "--key-file", home.file("key", DEMO_KEY), "--secret-file", home.file("s", DEMO_SECRET))
    with memory_keyring() as memory:
        added = home.run("credential", "add", "prod", *keys, *options)
        assert (added.code, added.err) == (0, "")
        assert list(memory.kept) == [("axsync/prod", "credential")]
        assert not (home.folder / "home/credentials.vault").exists()
        assert home.run("credential", "test", "prod").code == 0

        assert home.run("credential", "update", "prod", "--keep", "file").code == 0
        assert (list(memory.kept), (home.folder / "home/credentials.vault").exists()) == ([], True)
    assert home.run("credential", "test", "prod").code == 0


def test_without_a_keyring_none_is_used(home: Home) -> None:
    """Asking for it is an error before a key is read."""
    ran = home.run("credential", "add", "prod", "--url", home.url, "--keep", "keyring", "--stdin")

    assert ran.code == 2
    assert "this system has no safe keyring" in ran.err


def test_an_oauth_client_is_a_credential_too(home: Home) -> None:
    """Tried, kept, listed by its kind, and used by a run."""
    pair = f"{DEMO_CLIENT}\n{DEMO_CLIENT_SECRET}\n"
    add = ("credential", "add", "prod", "--kind", "oauth", "--keep", "file", "--url", home.url, "--stdin")
    wrong = home.run(*add, stdin="x\ny\n")
    assert wrong.code == 4
    assert home.run(*add, stdin=pair).code == 0

    assert re.search("oauth +encrypted file +never$", home.run("credential", "list").out, re.MULTILINE)
    ran = home.run("run", "--credential", "prod", "--lake", "lake", "-q")
    assert (ran.code, ran.err) == (0, "")


def test_an_export_makes_a_configuration(home: Home) -> None:
    """As tables to paste, or as JSON; nothing of a secret in either."""
    assert home.add("prod", "--no-test", "--description", "nightly").code == 0
    text = home.run("credential", "export").out
    told = home.run("credential", "export", "prod", "--without-secrets", "--output", "json").out

    assert text == f'# nightly\n[instances.prod]\nurl = "{home.url}"\ncredential = "prod"\n'
    assert '"kept": "file"' in told
    assert DEMO_SECRET not in told
    home.file("axsync.toml", text)
    assert home.run("check").code == 0


def test_references_and_folders_need_no_store(home: Home) -> None:
    """A secret that the platform holds is read there, at each run anew."""
    given = home.folder / "given"
    given.mkdir()
    for part, text in {"key": DEMO_KEY, "secret": DEMO_SECRET, "url": home.url}.items():
        home.file(f"given/pod.{part}", text)
    keys = {"AX_KEY": DEMO_KEY, "AX_SECRET": DEMO_SECRET}
    references = ("--key-reference", "env:AX_KEY", "--secret-reference", "env:AX_SECRET")
    environ = {"AXSYNC_CREDENTIALS_DIRECTORY": str(given), "AXSYNC_STORE_KEY_FILE": "", **keys}
    added = home.run("credential", "add", "vars", "--url", home.url, *references, **environ)

    assert added.code == 0
    assert not (home.folder / "home/credentials.vault").exists()
    ran = home.run("run", "--credential", "pod", "--credential", "vars", "--lake", "lake", "-q", **environ)
    assert (ran.code, ran.err) == (0, "")
    listed = home.run("credential", "list", **environ).out
    assert f"folder {given}" in listed
    assert "env:AX_KEY, env:AX_SECRET" in listed
    assert "never" not in listed
