"""Mistakes of the operator, a bug with its local variables, and a proxy: no secret is repeated."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from axsync.emulator import Emulator
from tests.faults.secrets.conftest import CONFIG, VARIABLES, axsync
from tests.faults.secrets.marks import MARKS, assert_clean, leaks

Start = Callable[..., Awaitable[Emulator]]
GOOD = {"url": "http://127.0.0.1:9", "key": "env:CANARY_ONE", "secret": "env:CANARY_TWO", "more": ""}
TOML = '[instances.prod]\nurl = "{url}"\napi_key = "{key}"\napi_secret = "{secret}"\ntries = 1\n{more}\n'

MISTAKES = {
    "the key itself": {"key": MARKS.key},
    "the secret itself": {"secret": MARKS.secret},
    "the key under a wrong name": {"more": f'api_kee = "{MARKS.key}"'},
    "the key as a number of requests": {"more": f'requests_per_second = "{MARKS.key}"'},
    "the key as the paging": {"more": f'paging = "{MARKS.key}"'},
    "keys in the URL": {"url": f"https://user:{MARKS.key}@acme.invalid"},
    "the key in the path": {"url": f"https://acme.invalid/{MARKS.key}"},
    "the key in the query": {"url": f"https://acme.invalid?key={MARKS.key}"},
    "a variable in plain http": {"url": "http://acme.invalid"},
    "a variable that is expanded": {"key": "${CANARY_ONE}"},
    "a command that fails with the key": {"key": "command:sh -c 'echo $CANARY_ONE; exit 3'"},
    "a command that prints two keys": {"key": "command:sh -c 'echo $CANARY_ONE $CANARY_ONE'"},
    "a file that holds more": {"key": "file:both"},
    "a broken line": {"more": f'tries = "{MARKS.secret}'},
    "the proxy's password in its address": {"more": f'proxy = "http://proxy-user:{MARKS.proxy}@127.0.0.1:9"'},
    "the proxy's password as it is": {
        "more": f'proxy = "http://127.0.0.1:9"\nproxy_user = "u"\nproxy_password = "{MARKS.proxy}"'
    },
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_is_told_without_the_secret(tmp_path: Path, name: str) -> None:
    """Exit code 2, and a sentence that names the place, not what stands there."""
    config = tmp_path / "conf" / "axsync.toml"
    config.parent.mkdir()
    (tmp_path / "both").write_text(f"{MARKS.key} {MARKS.secret}")
    config.write_text(TOML.format(**GOOD | MISTAKES[name]))
    seen = await axsync(tmp_path, "run", "-v", "--config", str(config), "--lake", "lake")

    assert seen.code == 2, seen.err
    assert b"error" in seen.err.lower()
    assert [leaks(content) for content in (seen.out, seen.err)] == [[], []], seen.err
    assert not (tmp_path / "lake").exists()


ARGUMENTS = {
    "as an option's value": ["run", "--limit", MARKS.key],
    "in the lake's address": ["run", "--lake", f"s3://user:{MARKS.secret}@bucket/lake"],
}


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_a_secret_that_was_typed_is_not_kept(tmp_path: Path, name: str) -> None:
    """Who types a secret as an argument has shown it already; no file has it afterwards."""
    (tmp_path / "axsync.toml").write_text(TOML.format(**GOOD))
    seen = await axsync(tmp_path, *ARGUMENTS[name])

    assert seen.code == 2
    assert_clean(folder=tmp_path)


CRASH = """
import sys, traceback
from axsync.cli import main
from axsync.client import {place}
from axsync.console import explain

def break_down(*args, **named):
    raise ZeroDivisionError("a bug near {word}")

def tell(error, options, told=explain.report_error):
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    own = [f for f in frames if "/axsync/" in f.filename]
    print(own and [(f.name, f.locals) for f in own])
    return told(error, options)

{place}.{name} = break_down
explain.report_error = tell
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("place", "name", "word"),
    [("transport", "judge", "here"), ("session", "Reply", "here"), ("transport", "judge", MARKS.key)],
)
async def test_a_bug_is_told_without_the_secret(tmp_path: Path, start: Start, place: str, name: str, word: str) -> None:
    """With -v there is a traceback, without the secret even if the bug says it; no frame has it among its variables."""
    emulator = await start(types=("devices",))
    (tmp_path / "axsync.toml").write_text(CONFIG.format(url=emulator.url))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CRASH.format(place=place, name=name, word=word), "run", "-v"),
        cwd=tmp_path,
        env=os.environ | VARIABLES,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert process.returncode == 1
    assert b"This is a bug" in err, err
    assert b"in _sent" in err, err
    assert_clean(err, out if word != MARKS.key else b"", folder=tmp_path)
