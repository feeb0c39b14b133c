"""How references become secrets, and that secrets stay secret."""

import copy
import dataclasses
import importlib.util
import json
import os
import pickle
import shlex
import sys
import time
from itertools import product
from pathlib import Path
from urllib.parse import quote

import msgspec
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from axsync.credentials import Credential, Redactor, Secret, basic, child_environment, resolve, resolve_credential
from axsync.errors import ConfigError
from axsync.settings import CredentialReference
from tests.unit.credentials.keyrings import memory_keyring


def yaml_like(value: object) -> object:
    """What writers of other forms do first."""
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else vars(value)  # type: ignore[arg-type]


def command(code: str) -> str:
    return f"command:{shlex.join([sys.executable, '-c', code])}"


def test_a_variable_is_read() -> None:
    """Blanks around a key are not part of it."""
    assert resolve("env:AX_KEY", environ={"AX_KEY": " k3y\n"}).reveal() == "k3y"


def test_a_private_file_is_read_in_silence(tmp_path: Path) -> None:
    """The newline at the end is not part of the key."""
    path = tmp_path / "key"
    path.write_text("k3y\r\n")
    path.chmod(0o600)
    secret = resolve(f"file:{path}", environ={})

    assert (secret.reveal(), secret.notice) == ("k3y", "")


def test_a_credential_of_systemd_is_read(tmp_path: Path) -> None:
    """By its name in the folder of the unit; a name leads nowhere else."""
    (tmp_path / "ax_key").write_text("k3y\n")
    (tmp_path / "unit").mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    assert resolve("systemd:ax_key", environ=environ).reveal() == "k3y"
    for name in ("../ax_key", "unit/../ax_key", "/etc/passwd", ".."):
        with pytest.raises(ConfigError, match=r"must be the name of one credential, without a folder$"):
            resolve(f"systemd:{name}", environ=environ)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_noticed(mode: int, tmp_path: Path) -> None:
    """Key and secret from the same open file make one notice."""
    path = tmp_path / "key"
    path.write_text("k3y")
    path.chmod(mode)
    credential = resolve_credential(CredentialReference(f"file:{path}", f"file:{path}"), environ={})

    assert credential.notices == (f"the file {str(path)!r} can be read by others; restrict it with chmod 600",)


def test_a_command_gives_its_first_line() -> None:
    """What a command prints after the first line does not count; AX_KEY and AX_SECRET are not its business."""
    code = "import os; print('AX_KEY' in os.environ, os.environ['VAULT_ADDR'], sep='-'); print('more')"

    assert resolve(command(code), environ={"AX_KEY": "x", "VAULT_ADDR": "vault"}).reveal() == "False-vault"


def test_a_command_for_one_half_does_not_see_the_other() -> None:
    """The variable that holds the secret is not in the environment of the program that tells the key."""
    code = "import os; print('AWS_SECRET' in os.environ, os.environ['VAULT_ADDR'], sep='-')"
    halves = CredentialReference(command(code), "env:AWS_SECRET")
    found = resolve_credential(halves, environ={"AWS_SECRET": "5ecr3t", "VAULT_ADDR": "vault"})

    assert (found.key.reveal(), found.secret.reveal()) == ("False-vault", "5ecr3t")


def test_a_command_knows_no_shell() -> None:
    """Variables and semicolons reach the program as they are written."""
    code = "import sys; print(sys.argv[1])"

    assert resolve(f"{command(code)} '$HOME;id|x'", environ={}).reveal() == "$HOME;id|x"


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("env:NO", "the environment variable NO is not set"),
        ("env:BLANK", "the environment variable BLANK is empty"),
        ("env:WORDS", "the environment variable WORDS must hold one word of plain ASCII"),
        ("env:HEADER", "the environment variable HEADER must hold one word of plain ASCII"),
        ("env:UMLAUT", "the environment variable UMLAUT must hold one word of plain ASCII"),
        ("systemd:key", "systemd:key needs CREDENTIALS_DIRECTORY"),
        ("file:/no/such", "the file '/no/such' cannot be read (No such file or directory)"),
        ("file:/", "the file '/' cannot be read (Is a directory)"),
        ("file:/dev/null", "the file '/dev/null' is empty"),
        ("command:/no/such 5ecr3t", "the command '/no/such' cannot be started (No such file or directory)"),
        ("command:'5ecr3t", "a command: reference has an unmatched quote or a trailing backslash"),
        ("command:''", "a command: reference names no program"),
        (command("print('5ecr3t'); exit(3)"), f"the command {sys.executable!r} failed with exit code 3"),
        (command("print(' ')"), f"the output of the command {sys.executable!r} is empty"),
        ("5ecr3t", "the reference must be a reference (env:NAME, "),
        ("", "the reference is empty"),
    ],
)
def test_a_bad_reference_has_its_sentence(reference: str, sentence: str) -> None:
    """The sentence names the place, and never what is kept there."""
    environ = {"BLANK": " \t", "WORDS": "5ecr3t 5ecr3t", "HEADER": "5ecr3t\r\nx: y", "UMLAUT": "5ecr3tä"}
    with pytest.raises(ConfigError) as caught:
        resolve(reference, environ=environ)

    assert str(caught.value).startswith(sentence)
    assert "5ecr3t" not in str(caught.value)


def test_a_command_that_does_not_end_is_ended() -> None:
    """A command has its time, and no more."""
    started = time.monotonic()
    with pytest.raises(ConfigError, match=r"did not finish within 0.2 seconds$"):
        resolve(command("import time; time.sleep(60)"), environ={}, seconds=0.2)

    assert time.monotonic() - started < 30


def test_a_child_that_a_command_leaves_behind_is_not_waited_for() -> None:
    """It holds the pipe that the command printed into; the command has ended and told what it knows."""
    sleeps = "import time; time.sleep(8)"
    code = f"import subprocess, sys; print('k3y'); subprocess.Popen([sys.executable, '-c', {sleeps!r}])"

    assert resolve(command(code), environ={}, seconds=4).reveal() == "k3y"


def test_a_command_may_print_more_than_a_pipe_holds() -> None:
    """Only its first line counts; it is not left waiting for a reader."""
    code = "import sys; print('k3y'); sys.stdout.write('x' * 1_000_000)"

    assert resolve(command(code), environ={}).reveal() == "k3y"


def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody may ever write into it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is a pipe; use command: to run the program that fills it"):
        resolve(f"file:{tmp_path / 'pipe'}", environ={})


@pytest.mark.parametrize("reference", ["env: NAME", "env:NAME ", "file: /x", "keyring:\u00a0x", "systemd:\u2003x"])
def test_a_blank_within_a_reference_is_refused(reference: str) -> None:
    """Whoever compares names would take it for another one."""
    with pytest.raises(ConfigError, match=r"has a blank after|contains an invisible character"):
        CredentialReference(reference, "env:B")


EVERYTHING = {
    **dict.fromkeys(["PATH", "HOME", "LC_ALL", "TZ", "SSL_CERT_FILE", "NO_PROXY", "AXSYNC_LAKE"], "plain"),
    **dict.fromkeys(["HTTPS_PROXY", "http_proxy"], "http://user:5ecr3t@proxy:3128"),
    **dict.fromkeys(["AX_KEY", "AX_SECRET", "MY_KEY", "SLACK", "AXSYNC_PASSPHRASE_FILE", "PATHS", "OPENAI"], "5ecr3t"),
}


def test_a_child_knows_what_is_listed_and_nothing_else() -> None:
    """Neither keys, whatever their variables are called, nor the password of a proxy."""
    known = child_environment(EVERYTHING)

    assert known.keys() == EVERYTHING.keys() - {n for n, text in EVERYTHING.items() if text == "5ecr3t"}
    assert set(known.values()) == {"plain", "http://proxy:3128"}
    assert child_environment({"VAULT_ADDR": "x"}, for_secrets=True) == {"VAULT_ADDR": "x"}
    assert child_environment({"VAULT_ADDR": "x"}) == {}


@pytest.mark.skipif(importlib.util.find_spec("keyring") is not None, reason="the keyring extra is installed")
def test_the_keyring_is_an_extra() -> None:
    """Who lacks it reads how to install it."""
    with pytest.raises(ConfigError, match=r"pip install keyring$"):
        resolve("keyring:prod", environ={})


def test_the_keyring_is_asked_by_service_and_user() -> None:
    """A bare name is a user of the service axsync; what follows the last slash is the user of another service."""
    with memory_keyring() as memory:
        memory.kept |= {("axsync", "prod"): "one", ("axsync/prod", "key"): "other"}
        assert resolve("keyring:prod", environ={}).reveal() == "one"
        assert resolve("keyring:axsync/prod/key", environ={}).reveal() == "other"
        with pytest.raises(ConfigError, match=r"^the keyring has no 'a/no'; add it with `keyring set a no`$"):
            resolve("keyring:a/no", environ={})


def test_a_secret_shows_itself_to_nobody() -> None:
    """Printing, formatting, pickling, copying and looking inside give nothing away."""
    secret = Secret("5ecr3t")

    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>9}", f"{secret:>9}", repr(Credential(secret, secret))]
    assert "5ecr3t" not in "".join(shown)
    assert not hasattr(secret, "__dict__")
    leaks = (pickle.dumps, copy.deepcopy, json.dumps, orjson.dumps, msgspec.json.encode, yaml_like)
    for leak, one in [(copy.copy, secret), *product(leaks, (secret, Credential(secret, secret)))]:
        with pytest.raises(TypeError) as caught:
            leak(one)
        assert "5ecr3t" not in str(caught.value)


def test_secrets_are_not_compared_by_value() -> None:
    """Equal texts do not make equal secrets, so that no comparison tells them."""
    assert Secret("a") != Secret("a")
    assert Credential(Secret("a"), Secret("b")) != Credential(Secret("a"), Secret("b"))


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4)


@given(words, words, st.lists(st.text(max_size=3), min_size=3, max_size=3))
def test_redacted_text_holds_neither(key: str, secret: str, around: list[str]) -> None:
    """Key and secret are replaced wherever they stand, plain, URL-encoded or in JSON."""
    assume("*" not in key + secret)
    redactor = Redactor([Secret(key), Secret(secret)])

    for form in (str, quote, json.dumps):
        told = redactor.redact(form(key).join(around) + form(secret))
        assert key not in told
        assert secret not in told


def test_what_a_token_is_bought_with_is_redacted_too() -> None:
    """As HTTP Basic writes it, where neither of the two can be read; and tokens, when they are named."""
    credential = Credential(Secret("client-id"), Secret("5ecr3t"), kind="oauth")
    text = f"Authorization: Basic {basic(credential)}, then Bearer t0ken"

    redactor = Redactor([credential.key, credential.secret, Secret("t0ken")], basic(credential))
    assert redactor.redact(text) == "Authorization: Basic ***, then Bearer ***"


def test_the_rest_of_a_redacted_text_stays() -> None:
    """A secret that contains the key leaves nothing of itself behind."""
    redactor = Redactor([Secret("abc"), Secret("abcdef")])

    assert redactor.redact("key=abc secret=abcdef end") == "key=*** secret=*** end"
