"""Names, hosts, places: what the store keeps, gives back, and refuses."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from axsync.credentials import (
    PERSON,
    Credential,
    CredentialStore,
    Record,
    Secret,
    credential_for,
    keyring_at_hand,
    opener_of_key,
    opener_of_person,
)
from axsync.credentials.encrypted_file import Cost
from axsync.credentials.files import locked
from axsync.credentials.records import read_index
from axsync.errors import (
    ConfigError,
    EntryChanged,
    StoreDamaged,
    StoreError,
    StoreLocked,
    UnknownCredential,
    WrongHost,
    WrongPassphraseFile,
)
from axsync.settings import CredentialReference, InstanceSettings, StoredCredential
from tests.unit.credentials.keyrings import Memory, memory_keyring

URL = "https://acme.example"
KEYS = Credential(Secret("k3y"), Secret("5ecr3t"))


@pytest.fixture
def system_keyring() -> Iterator[Memory]:
    with memory_keyring() as memory:
        yield memory


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A store of its own, opened with a passphrase in a file."""
    (tmp_path / "passphrase").write_text("correct horse\n")
    return {"AXSYNC_HOME": str(tmp_path / "home"), "AXSYNC_PASSPHRASE_FILE": str(tmp_path / "passphrase")}


def store(environ: dict[str, str]) -> CredentialStore:
    return CredentialStore(environ, cost=Cost(n=2))


def record(**settings: Any) -> Record:
    return Record(**({"name": "prod", "url": URL, "kept": "file"} | settings))


def words(credential: Credential) -> tuple[str, str]:
    return credential.key.reveal(), credential.secret.reveal()


def opened(environ: dict[str, str], name: str = "prod") -> tuple[str, str]:
    """Key and secret, as a process that knows nothing yet reads them."""
    fresh = store(environ)
    return words(fresh.open(fresh.find(name)))


@pytest.mark.parametrize("kept", ["file", "keyring"])
def test_a_credential_lives_through_its_verbs(kept: str, environ: dict[str, str], system_keyring: Memory) -> None:
    """Added, rotated, moved to another host, renamed, removed; each is seen by the next process."""
    one = record(kept=kept, description="nightly")
    store(environ).keep(one, KEYS)
    store(environ).keep(record(name="lab", kept=kept), KEYS)
    assert opened(environ) == ("k3y", "5ecr3t")

    store(environ).keep(one, Credential(Secret("k2"), Secret("s2")))
    assert opened(environ) == ("k2", "s2")

    moved = replace(one, url="https://other.example")
    store(environ).keep(moved, store(environ).open(one))
    assert opened(environ) == ("k2", "s2")

    store(environ).rename(moved, "main")
    assert opened(environ, "main") == ("k2", "s2")
    with pytest.raises(UnknownCredential, match=r"^there is no credential 'prod'"):
        store(environ).find("prod")

    store(environ).remove(store(environ).find("main"))
    assert [row.record.name for row in store(environ).listed()] == ["lab"]
    assert len(system_keyring.kept) == (kept == "keyring")


def test_no_secret_lies_open(environ: dict[str, str]) -> None:
    """Neither in the list nor in the encrypted file, and both are for their owner only."""
    store(environ).keep(record(), KEYS)
    files = {path.name: path for path in Path(environ["AXSYNC_HOME"]).iterdir()}

    assert {"credentials.json", "credentials.vault"} <= set(files)
    for path in files.values():
        assert path.stat().st_mode & 0o077 == 0
        assert b"5ecr3t" not in path.read_bytes()
        assert b"k3y" not in path.read_bytes()


def test_a_credential_may_move_to_another_keeper(environ: dict[str, str], system_keyring: Memory) -> None:
    """From the file to the keyring; the file forgets it."""
    store(environ).keep(record(), KEYS)
    store(environ).keep(record(kept="keyring"), KEYS)
    store(environ).keep(record(name="other"), KEYS)

    assert opened(environ) == ("k3y", "5ecr3t")
    with pytest.raises(StoreError, match=r"has no entry for credential 'prod'$"):
        store(environ).open(record())


def test_a_secret_that_moves_to_references_is_forgotten(environ: dict[str, str]) -> None:
    """The file that held it has to be opened for that; if it cannot, nothing changes."""
    store(environ).keep(record(), KEYS)
    moved = record(kept="references", key_reference="env:A", secret_reference="env:A")
    locked = {name: text for name, text in environ.items() if name != "AXSYNC_PASSPHRASE_FILE"}
    with pytest.raises(StoreError, match=r"there is no terminal$"):
        store(locked).keep(moved, None)
    assert opened(environ) == ("k3y", "5ecr3t")

    store(environ).keep(moved, None)
    assert opened(environ | {"A": "a"}) == ("a", "a")
    with pytest.raises(StoreError, match=r"has no entry for credential 'prod'$"):
        store(environ).open(record())


def test_references_are_read_where_they_point(environ: dict[str, str]) -> None:
    """The store knows the place and not the secret; there is no encrypted file, and no passphrase."""
    del environ["AXSYNC_PASSPHRASE_FILE"]
    one = record(kept="references", key_reference="env:AX_KEY", secret_reference="env:AX_SECRET", kind="oauth")
    store(environ).keep(one, None)
    environ |= {"AX_KEY": "id", "AX_SECRET": "s3"}

    assert opened(environ) == ("id", "s3")
    assert store(environ).open(one).kind == "oauth"
    assert one.place == "env:AX_KEY, env:AX_SECRET"


def test_arguments_of_a_command_are_not_listed() -> None:
    """They may be secret themselves."""
    one = record(kept="references", key_reference="command:pass show 5ecr3t", secret_reference="command:pass")

    assert one.place == "command:pass …, command:pass"


@pytest.mark.parametrize("variable", ["CREDENTIALS_DIRECTORY", "AXSYNC_CREDENTIALS_DIRECTORY"])
def test_a_folder_of_the_platform_wins(variable: str, environ: dict[str, str], tmp_path: Path) -> None:
    """As systemd and Kubernetes lay it there; the list says which one is hidden, and by what."""
    folder = tmp_path / "given"
    folder.mkdir()
    for part, text in {"key": "fk\n", "secret": "fs\n", "url": f"{URL}\n", "kind": "oauth\n"}.items():
        (folder / f"prod.{part}").write_text(text)
    store(environ).keep(record(), KEYS)
    environ[variable] = str(folder)

    assert opened(environ) == ("fk", "fs")
    assert store(environ).open(store(environ).find("prod")).kind == "oauth"
    rows = store(environ).listed()
    assert [(row.record.kept, row.hidden_by) for row in rows] == [("folder", ""), ("file", f"folder {folder}")]
    with pytest.raises(StoreError, match=r"change it there$"):
        store(environ).own("prod")


def test_what_else_is_in_a_folder_is_not_looked_at(environ: dict[str, str], tmp_path: Path) -> None:
    """A certificate's key, say, under the very name of a credential of the store."""
    for name in ("prod.key", "prod.crt", "tls.key", "a b.url", "lab.secret"):
        (tmp_path / name).write_text("something")
    store(environ).keep(record(), KEYS)
    environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)

    assert [row.record.kept for row in store(environ).listed()] == ["file"]
    assert opened(environ) == ("k3y", "5ecr3t")


@pytest.mark.parametrize(
    ("part", "text", "sentence"),
    [
        ("url", None, r"needs prod\.url beside it"),
        ("url", "acme", "must begin with https"),
        ("kind", "saml", r"prod\.kind must be api-key or oauth$"),
        ("url", "http://acme.example", "would send the keys unencrypted"),
    ],
)
def test_a_folder_that_is_not_whole_is_told(
    part: str, text: str | None, sentence: str, environ: dict[str, str], tmp_path: Path
) -> None:
    """A key without a host could go anywhere."""
    parts = {"key": "fk", "secret": "fs", "url": URL} | {part: text}
    for name, content in parts.items():
        if content is not None:
            (tmp_path / f"prod.{name}").write_text(content)
    environ["AXSYNC_CREDENTIALS_DIRECTORY"] = str(tmp_path)

    with pytest.raises(StoreError, match=sentence):
        store(environ).find("prod")


def instance(url: str = URL, name: str = "prod") -> InstanceSettings:
    return InstanceSettings("i", url, StoredCredential(name), allow_plain_http=True)


@pytest.mark.parametrize(
    "url", ["https://acme.example:8443", "http://acme.example", "https://acme.example.evil.example"]
)
@pytest.mark.parametrize("kept", ["file", "folder", "references"])
def test_a_credential_goes_to_its_own_host_only(kept: str, url: str, environ: dict[str, str], tmp_path: Path) -> None:
    """Not to another host, port or scheme, whatever the configuration says."""
    if kept == "folder":
        for part, text in {"key": "fk", "secret": "fs", "url": URL}.items():
            (tmp_path / f"prod.{part}").write_text(text)
        environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    else:
        store(environ).keep(record(kept=kept, key_reference="env:A", secret_reference="env:A"), KEYS)
    environ["A"] = "a"

    credential_for(instance(), store(environ), environ=environ)
    with pytest.raises(WrongHost, match=f"^credential 'prod' belongs to {URL} and is not sent to {url}$") as caught:
        credential_for(instance(url), store(environ), environ=environ)
    assert (caught.value.name, caught.value.bound, caught.value.asked) == ("prod", URL, url)


@pytest.mark.parametrize("kept", ["file", "keyring"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(URL, "https://evil.example"), ('"ca_file": ""', '"ca_file": "/tmp/ca"'), ("api-key", "oauth")],
)
def test_a_changed_list_sends_a_secret_nowhere(
    kept: str, before: str, after: str, environ: dict[str, str], system_keyring: Memory
) -> None:
    """The list can be read and written without the passphrase; what it says of the host is sealed with the secret."""
    store(environ).keep(record(kept=kept), KEYS)
    index = Path(environ["AXSYNC_HOME"]) / "credentials.json"
    index.write_text(index.read_text().replace(before, after))
    fresh = store(environ)

    with pytest.raises(StoreError, match=r"was changed outside of axsync"):
        fresh.open(fresh.find("prod"))


def test_a_wrong_passphrase_opens_nothing(environ: dict[str, str]) -> None:
    """And changes nothing."""
    store(environ).keep(record(), KEYS)
    Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_text("wrong horse")

    with pytest.raises(StoreError, match=r"credentials.vault' cannot be opened: the passphrase does not open it$"):
        opened(environ)
    with pytest.raises(StoreError, match=r"the passphrase does not open it$"):
        store(environ).keep(record(name="lab"), KEYS)
    Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_text("correct horse")
    assert opened(environ) == ("k3y", "5ecr3t")
    assert len(store(environ).listed()) == 1


def test_a_key_file_opens_without_a_passphrase(environ: dict[str, str], tmp_path: Path) -> None:
    """For machines; once locked with it, the store asks for it."""
    (tmp_path / "key").write_bytes(bytes(range(32)))
    locked = {"AXSYNC_HOME": environ["AXSYNC_HOME"], "AXSYNC_STORE_KEY_FILE": str(tmp_path / "key")}
    store(locked).keep(record(), KEYS)

    assert opened(locked) == ("k3y", "5ecr3t")
    with pytest.raises(StoreError, match=r"it is locked with a key file, and AXSYNC_STORE_KEY_FILE is not set$"):
        opened(environ)
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(StoreError, match=r"does not hold 32 to 65536 bytes$"):
        opened(locked)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"short\n", "holds fewer than 8 characters$"), (b"\xff" * 12, "does not hold UTF-8 text$")],
)
def test_a_bad_passphrase_is_not_repeated(content: bytes, sentence: str, environ: dict[str, str]) -> None:
    """The sentence names the variable of the file."""
    Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_bytes(content)

    with pytest.raises(StoreError, match=f"^the file of AXSYNC_PASSPHRASE_FILE {sentence}"):
        store(environ).keep(record(), KEYS)


def test_nobody_is_asked_unless_somebody_says_so(environ: dict[str, str]) -> None:
    """A library does not wait for a keyboard; the command line may let a person be asked, once for a new store too."""
    del environ["AXSYNC_PASSPHRASE_FILE"]
    with pytest.raises(StoreError, match=r"there is no terminal$"):
        store(environ).keep(record(), KEYS)

    asked: list[bool] = []
    with _person(asked):
        store(environ).keep(record(), KEYS)
        assert store(environ).wants_passphrase("prod")
        assert opened(environ) == ("k3y", "5ecr3t")
    assert asked == [True, False]


@contextmanager
def _person(asked: list[bool]) -> Iterator[None]:
    def answer(new: bool) -> Secret:
        asked.append(new)
        return Secret("correct horse")

    token = PERSON.set(answer)
    yield
    PERSON.reset(token)


@pytest.mark.parametrize("name", ["credentials.json", "credentials.vault"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"format": 1, "credentials": [{}]}', b"[]", b"null"])
def test_a_damaged_store_is_one_sentence(name: str, content: bytes, environ: dict[str, str]) -> None:
    """It names the file; nothing is overwritten."""
    store(environ).keep(record(), KEYS)
    path = Path(environ["AXSYNC_HOME"]) / name
    path.write_bytes(content)

    with pytest.raises(StoreError, match=rf"{name}' cannot be (read|opened): it is damaged$"):
        opened(environ)
    with pytest.raises(StoreError, match=r"it is damaged$"):
        store(environ).keep(record(name="lab"), KEYS)
    assert path.read_bytes() == content


def test_a_list_of_the_future_is_not_touched() -> None:
    """A newer axsync knows more than this one would write back."""
    with pytest.raises(StoreError, match=r"^it was written by a newer axsync \(format 9\)$"):
        read_index(b'{"format": 9, "credentials": {}}')


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "ä", "a" * 65, "--all", "a\nb"])
def test_a_name_that_could_be_a_path_is_refused(name: str) -> None:
    """It becomes the name of an instance, and so of a folder."""
    with pytest.raises(ConfigError, match=r"^the name of a credential must be written with 1 to 64 letters"):
        record(name=name)


@pytest.mark.parametrize("description", ["two\nlines", "a" * 201, "\x1b[31mred"])
def test_a_description_is_one_plain_line(description: str) -> None:
    """So that lists stay lists."""
    with pytest.raises(ConfigError, match=r"^the description must be one line of at most 200 characters$"):
        record(description=description)


def test_names_are_taken_once(environ: dict[str, str]) -> None:
    """Renaming overwrites nothing."""
    store(environ).keep(record(), KEYS)
    store(environ).keep(record(name="lab"), KEYS)

    with pytest.raises(StoreError, match=r"^there is already a credential 'lab'$"):
        store(environ).rename(record(), "lab")
    with pytest.raises(UnknownCredential, match=r"^there is no credential 'prdo'; did you mean 'prod'"):
        store(environ).find("prdo")


def test_the_last_use_is_remembered_where_it_can_be(environ: dict[str, str]) -> None:
    """A folder that cannot be written costs the memory and nothing else."""
    store(environ).keep(record(), KEYS)
    store(environ).used("prod", "2026-11-23T02:00:00Z")
    assert store(environ).listed()[0].last_used == "2026-11-23T02:00:00Z"

    Path(environ["AXSYNC_HOME"], "last-used.json").write_text("[]")
    assert store(environ).listed()[0].last_used == ""
    store({**environ, "AXSYNC_HOME": "/dev/null/no"}).used("prod", "2026-11-23T02:00:00Z")


def test_the_last_use_follows_a_name(environ: dict[str, str]) -> None:
    """To a new one, and not to a credential that is made later under an old one."""
    store(environ).keep(record(), KEYS)
    store(environ).used("prod", "2026-11-23T02:00:00Z")
    store(environ).rename(record(), "main")
    assert store(environ).listed()[0].last_used == "2026-11-23T02:00:00Z"

    store(environ).remove(store(environ).find("main"))
    store(environ).keep(record(name="main"), KEYS)
    assert store(environ).listed()[0].last_used == ""


def test_a_passphrase_that_others_can_read_is_noticed(environ: dict[str, str]) -> None:
    """Used, with a sentence about it."""
    passphrase = Path(environ["AXSYNC_PASSPHRASE_FILE"])
    store(environ).keep(record(), KEYS)
    told = []
    for mode in (0o600, 0o644):
        passphrase.chmod(mode)
        told.append(store(environ).open(record()).notices)

    assert told == [(), ("the file of AXSYNC_PASSPHRASE_FILE can be read by others; restrict it with chmod 600",)]
    other = {**environ, "AXSYNC_STORE_KEY_FILE": "/nowhere/key"}  # which opens nothing here
    assert store(other).open(record()).notices == told[1]


def test_a_run_does_not_wait_for_a_person_elsewhere(environ: dict[str, str]) -> None:
    """While somebody changes the store, its last uses can be written."""
    store(environ).keep(record(), KEYS)
    with locked(Path(environ["AXSYNC_HOME"]) / ".credentials.lock"):
        store(environ).used("prod", "2026-11-23T02:00:00Z")

    assert store(environ).listed()[0].last_used == "2026-11-23T02:00:00Z"


def test_the_store_is_where_the_desktop_rules_say(tmp_path: Path) -> None:
    """AXSYNC_HOME, else XDG_CONFIG_HOME, else ~/.config; relative XDG paths do not count."""
    home = {"HOME": str(tmp_path)}

    assert CredentialStore(home).folder == tmp_path / ".config/axsync"
    assert CredentialStore(home | {"XDG_CONFIG_HOME": "/etc/x"}).folder == Path("/etc/x/axsync")
    assert CredentialStore(home | {"XDG_CONFIG_HOME": "x"}).folder == tmp_path / ".config/axsync"
    assert CredentialStore(home | {"AXSYNC_HOME": "/srv/a"}).folder == Path("/srv/a")


def test_the_old_names_of_the_keyring_still_work(environ: dict[str, str], system_keyring: Memory) -> None:
    """With a notice, as they belong to no host."""
    system_keyring.kept |= {("axsync/prod", "key"): "k3y", ("axsync/prod", "secret"): "5ecr3t"}
    found = credential_for(instance(), store(environ), environ=environ)

    assert words(found) == ("k3y", "5ecr3t")
    assert "is bound to no host" in found.notices[0]
    with pytest.raises(UnknownCredential, match=r"^there is no credential 'lab'; the store is empty$"):
        credential_for(instance(name="lab"), store(environ), environ=environ)


def test_only_a_recommended_keyring_is_at_hand(system_keyring: Memory) -> None:
    """One that keeps plain text says so by its priority."""
    assert keyring_at_hand()
    system_keyring.priority = 0.5
    assert not keyring_at_hand()


def test_inline_references_are_bound_by_their_table(environ: dict[str, str]) -> None:
    """Key, secret and host stand in the same place there."""
    environ |= {"AX_KEY": "k", "AX_SECRET": "s"}
    inline = InstanceSettings("i", URL, CredentialReference("env:AX_KEY", "env:AX_SECRET"))

    assert words(credential_for(inline, store(environ), environ=environ)) == ("k", "s")


def spoil(environ: dict[str, str], how: str) -> Path:
    """The encrypted file is gone, or is not what it was."""
    vault = Path(environ["AXSYNC_HOME"]) / "credentials.vault"
    if how == "gone":
        vault.unlink()
    else:
        vault.write_bytes(vault.read_bytes()[:-1])
    return vault


@pytest.mark.parametrize(("how", "words"), [("gone", "is missing"), ("damaged", "it is damaged; it was not changed")])
def test_what_cannot_be_opened_can_be_removed(how: str, words: str, environ: dict[str, str]) -> None:
    """Without a passphrase, with a sentence about what is left; a damaged file is not touched."""
    store(environ).keep(record(), KEYS)
    vault = spoil(environ, how)
    before = vault.read_bytes() if vault.exists() else None
    del environ["AXSYNC_PASSPHRASE_FILE"]

    assert words in store(environ).remove(record())
    assert store(environ).listed() == ()
    assert (vault.read_bytes() if vault.exists() else None) == before


def test_a_locked_file_keeps_its_entries(environ: dict[str, str]) -> None:
    """Removing a name alone would leave a key behind that nobody knows of."""
    store(environ).keep(record(), KEYS)
    Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_text("wrong horse")

    with pytest.raises(WrongPassphraseFile):
        store(environ).remove(record())
    assert len(store(environ).listed()) == 1


def test_troubles_are_told_without_a_passphrase(environ: dict[str, str]) -> None:
    """A file that others can read, that is damaged, or that is gone; nothing of a store that is well or empty."""
    assert store(environ).troubles() == ()
    store(environ).keep(record(), KEYS)
    locked = {name: text for name, text in environ.items() if name != "AXSYNC_PASSPHRASE_FILE"}
    assert store(locked).troubles() == ()
    vault = Path(environ["AXSYNC_HOME"]) / "credentials.vault"
    vault.chmod(0o644)
    told = [str(error) for error in store(locked).troubles()]
    vault.chmod(0o600)
    for how in ("damaged", "gone"):
        spoil(environ, how)
        told += [str(error) for error in store(locked).troubles()]

    assert told == [
        f"the credential store {str(vault)!r} has mode 0644 and can be read by others",
        f"the credential store {str(vault)!r} cannot be opened: it is damaged",
        f"the encrypted file {str(vault)!r}, which held credential 'prod', is missing",
    ]


@pytest.mark.parametrize("kept", ["file", "keyring"])
def test_a_changed_list_is_seen_before_a_new_key_is_sent(
    kept: str, environ: dict[str, str], system_keyring: Memory
) -> None:
    """What was sealed with the old key says where the new one may go."""
    one = record(kept=kept, ca_file="/mine", description="nightly")
    store(environ).keep(one, KEYS)
    changed = replace(one, url="https://evil.example", ca_file="/evil", allow_plain_http=True, kind="oauth")

    assert store(environ).as_sealed(changed) == one
    assert store(environ).as_sealed(one) == one
    assert store(environ).as_sealed(record(name="other", kept=kept)) == record(name="other", kept=kept)


def test_a_change_of_the_list_is_named(environ: dict[str, str]) -> None:
    """Also where the host is the same."""
    store(environ).keep(record(), KEYS)
    with pytest.raises(
        EntryChanged,
        match=r"the list contradicts what was sealed with its secret \(ca_file\)$",
    ):
        store(environ).open(record(ca_file="/evil"))


def test_a_name_is_taken_once_by_two_at_a_time(environ: dict[str, str]) -> None:
    """Who comes second learns it, though the name was free when it asked; nothing is overwritten."""
    second = store(environ)
    assert second.known("prod") is None
    store(environ).keep(record(), KEYS, new=True)

    with pytest.raises(StoreError, match=r"^there is already a credential 'prod'$"):
        second.keep(record(url="https://other.example"), NEW, new=True)
    assert opened(environ) == ("k3y", "5ecr3t")


@pytest.mark.parametrize("key_file", [False, True])
def test_another_passphrase_opens_the_same_secrets(key_file: bool, environ: dict[str, str], tmp_path: Path) -> None:
    """The old one opens nothing any more, and no draft that it opens is left of a change that was killed."""
    (tmp_path / "key").write_bytes(bytes(range(32)))
    store(environ).keep(record(), KEYS)
    draft = Path(environ["AXSYNC_HOME"]) / ".credentials.vault.abc"
    draft.write_bytes(b"of old")
    new = opener_of_key(tmp_path / "key", "it") if key_file else opener_of_person(Secret("new horse"))
    store(environ).rekey(new)

    with pytest.raises(StoreLocked):
        opened(environ)
    environ |= {"AXSYNC_STORE_KEY_FILE": str(tmp_path / "key")}
    Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_text("new horse")
    assert opened(environ) == ("k3y", "5ecr3t")
    assert not draft.exists()
    assert (Path(environ["AXSYNC_HOME"]) / "credentials.vault").stat().st_mode & 0o777 == 0o600


def test_a_passphrase_cannot_follow_itself(environ: dict[str, str]) -> None:
    """Who thinks that it is another one should learn that it is not; nor is there anything to lock without a file."""
    with pytest.raises(StoreError, match=r"^there is no encrypted file"):
        store(environ).rekey(opener_of_person(Secret("new horse")))
    store(environ).keep(record(), KEYS)
    with pytest.raises(ConfigError, match=r"^the new passphrase or key file is the same as the old one$"):
        store(environ).rekey(opener_of_person(Secret("correct horse")))


def test_who_waited_for_a_rekey_changes_nothing_with_the_old_passphrase(environ: dict[str, str]) -> None:
    """It had opened the file before; what it would write, it would lock with what is no more."""
    store(environ).keep(record(), KEYS)
    waiting = store(environ)
    waiting.unlock(record())
    store(environ).rekey(opener_of_person(Secret("new horse")))

    with pytest.raises(WrongPassphraseFile):
        waiting.keep(record(), NEW)
    Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_text("new horse")
    assert opened(environ) == ("k3y", "5ecr3t")


_KILLED = """
import os, signal, sys
from axsync.credentials import CredentialStore, Secret, opener_of_person
from axsync.credentials.encrypted_file import Cost
real = os.replace
def killed(source, target):
    if sys.argv[1] == "after":
        real(source, target)
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = killed
CredentialStore(os.environ, cost=Cost(n=2)).rekey(opener_of_person(Secret("new horse")))
"""


@pytest.mark.parametrize(("moment", "passphrase"), [("before", "correct horse"), ("after", "new horse")])
def test_a_rekey_that_is_killed_leaves_the_old_or_the_new_file(
    moment: str, passphrase: str, environ: dict[str, str]
) -> None:
    """Whole in either case; what it had drafted goes with the next."""
    store(environ).keep(record(), KEYS)
    killed = subprocess.run([sys.executable, "-c", _KILLED, moment], env=os.environ | environ, check=False)

    assert killed.returncode == -signal.SIGKILL
    Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_text(passphrase)
    assert opened(environ) == ("k3y", "5ecr3t")
    store(environ).rekey(opener_of_person(Secret("third horse")))
    assert not list(Path(environ["AXSYNC_HOME"]).glob(".credentials.vault.*"))


class PowerCutError(BaseException):
    """The process is gone."""


def cut_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the n-th replacement of a file on, nothing more happens."""
    count = 0
    real = os.replace

    def replace_until(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count >= number:
            raise PowerCutError
        real(source, target)

    monkeypatch.setattr(os, "replace", replace_until)


NEW = Credential(Secret("k2"), Secret("s2"))
MOVED = record(url="https://other.example")
CHANGES: dict[str, Callable[[CredentialStore], object]] = {
    "add": lambda kept: kept.keep(record(name="lab"), NEW),
    "rotate": lambda kept: kept.keep(record(), NEW),
    "move": lambda kept: kept.keep(MOVED, kept.open(record())),
    "rename": lambda kept: kept.rename(record(), "main"),
    "remove": lambda kept: kept.remove(record()),
    "rekey": lambda kept: kept.rekey(opener_of_person(Secret("new horse"))),
}
AFTERWARDS = {
    ("prod", URL, "k3y", "5ecr3t"),
    ("prod", URL, "k2", "s2"),
    ("prod", MOVED.url, "k3y", "5ecr3t"),
    ("main", URL, "k3y", "5ecr3t"),
    ("lab", URL, "k2", "s2"),
}
"""Names, hosts and pairs that belong together."""


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("change", CHANGES)
def test_a_power_cut_never_mixes(
    change: str, number: int, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it comes: each listed credential is old, new, or refused; and it can be put right by its verbs."""
    store(environ).keep(record(), KEYS)
    with monkeypatch.context() as cut, suppress(PowerCutError):
        cut_at(number, cut)
        CHANGES[change](store(environ))

    if change == "rekey" and number > 1:  # it replaces one file
        Path(environ["AXSYNC_PASSPHRASE_FILE"]).write_text("new horse")
    fresh = store(environ)
    for row in fresh.listed():
        with suppress(StoreDamaged):
            pair = words(fresh.open(row.record))
            assert (row.record.name, row.record.url, *pair) in AFTERWARDS
    for row in fresh.listed():
        fresh.keep(row.record, NEW)
        assert opened(environ, row.record.name) == ("k2", "s2")
        fresh.remove(row.record)
    assert store(environ).listed() == ()
