"""What a server says never commands the terminal on which axsync runs."""

import asyncio
import json
import os
import sys
import unicodedata
from collections.abc import Awaitable, Callable

import pytest

from axsync.emulator import Emulator, Mishap
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]

WILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u202c\u2066\u200b\u200f\x08\r\x00\u2028end"
"""Window title, clear screen, colour, text from right to left, invisible characters, carriage return, line end."""


def commands_in(text: str) -> set[str]:
    """Characters that a terminal obeys or a reader cannot see: controls, formats, line and paragraph separators."""
    bad = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return {repr(character) for character in text if unicodedata.category(character) in bad} - {repr("\n")}


async def said(lab: Lab, emulator: Emulator, *arguments: str) -> str:
    """All that a command prints, on both streams."""
    environ = os.environ | {
        "AX_URL": emulator.url,
        "AX_KEY": emulator.api_key,
        "AX_SECRET": emulator.api_secret,
        "PYTHONUTF8": "1",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "axsync", *arguments),
        cwd=lab.folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return (out + err).decode()


@pytest.fixture
async def hostile(start: Start) -> Emulator:
    """Every place where a server's words can reach a person has the wile in it."""
    title = {"name": f"specific_data.data.{WILE}", "title": WILE, "type": "string", "items": {"type": WILE}}
    named = {"name": "specific_data.data.hostname", "title": WILE, "type": "string"}
    catalogue = {"generic": [title, named], f"{WILE}_adapter": [named]}
    return await start(
        "p90",
        {"devices": 30, "users": 20, "groups": 5},
        mishaps=[
            Mishap("other-body", on="about", body=json.dumps({"installed_version": WILE})),
            Mishap("other-body", on="discovery", body=json.dumps({"status": WILE})),
            Mishap("other-body", on="types", body=json.dumps({"asset_types": ["devices", "users", "groups", WILE]})),
            Mishap("other-body", on="fields", body=json.dumps(catalogue)),
            Mishap("other-body", entity="users", on="page", body=json.dumps({"error": WILE})),
            Mishap("raw", entity="devices", on="page", value=json.dumps(WILE)),
            Mishap("redirect", entity="groups", on="page", location=f"http://evil\u202e.example/{WILE[:5]!r}"),
        ],
    )


@pytest.mark.slow
async def test_no_command_prints_what_a_terminal_obeys(lab: Lab, hostile: Emulator) -> None:
    """Tables, lines, errors and JSON of every command that asks a server or tells of what it said."""
    run = ("run", "--fresh", "--lake", "lake")
    commands = [
        ("check",),
        ("check", "--output", "json"),
        ("entities",),
        ("entities", "--output", "json"),
        ("fields", "devices"),
        ("fields", "devices", "--output", "json"),
        ("plan", "--lake", "lake"),
        (*run, "-v"),
        (*run, "-v", "--log-format", "json", "--output", "json"),
        ("runs", "--lake", "lake"),
        ("show", "latest", "--lake", "lake"),
        ("show", "latest", "--lake", "lake", "--output", "json"),
    ]
    heard = {" ".join(command): await said(lab, hostile, *command) for command in commands}

    assert {command: commands_in(text) for command, text in heard.items() if commands_in(text)} == {}
    assert all("Traceback" not in text and "This is a bug" not in text for text in heard.values())
    assert all("end" in heard[command] for command in ("check", "fields devices", "run --fresh --lake lake -v"))
