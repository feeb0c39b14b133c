"""Mistakes of the operator, made at the real command: one sentence, exit code 2, nothing written, no request sent."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest
from _pytest.mark import ParameterSet

from axsync.emulator import Emulator
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]
STRIPPED = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
"""The administrator may write anywhere, unless that right is taken from the process."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a process said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def headline(self) -> str:
        return self.lines[0] if self.lines else ""

    @property
    def lines(self) -> list[str]:
        """On stderr, without the line of the log that says who is asked."""
        return [line for line in self.err.splitlines() if " asking default at " not in line]


async def command(folder: Path, *arguments: str, environ: Mapping[str, str], stripped: bool = False) -> Said:
    """`python -m axsync`, in a folder of its own and with just these variables."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **environ}
    process = await asyncio.create_subprocess_exec(
        *(*(STRIPPED if stripped else ()), sys.executable, "-m", "axsync", *arguments),
        cwd=folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


def variables(emulator: Emulator, **changed: str) -> dict[str, str]:
    keys = {"AX_URL": emulator.url, "AX_KEY": emulator.api_key, "AX_SECRET": emulator.api_secret}
    return {name: value for name, value in (keys | changed).items() if value != "-"}


def toml(emulator: Emulator, **changed: str) -> str:
    """A configuration that works, but for the lines that are changed; `{url}` stands for the emulator's."""
    lines = {
        "url": f'url = "{emulator.url}"',
        "key": 'api_key = "env:AX_KEY"',
        "secret": 'api_secret = "env:AX_SECRET"',
    }
    text = "\n".join(["[instances.prod]", *(lines | changed).values()])
    return text.replace("{url}", emulator.url)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


VARIABLES: dict[str, tuple[Mapping[str, str], str]] = {
    "no URL": ({"AX_URL": "-"}, "AX_URL"),
    "no URL, key nor secret": ({"AX_URL": "-", "AX_KEY": "-", "AX_SECRET": "-"}, "set AX_URL, AX_KEY and AX_SECRET"),
    "an empty URL": ({"AX_URL": ""}, "AX_URL is empty"),
    "a blank URL": ({"AX_URL": "  "}, "AX_URL is empty"),
    "a URL with a path": ({"AX_URL": "{url}/api/v2"}, "AX_URL has a path after the host; write it as {url}"),
    "a trailing slash": ({"AX_URL": "{url}/"}, "AX_URL has a trailing slash after the host; write it as {url}"),
    "a URL with a query": ({"AX_URL": "{url}?a=b"}, "AX_URL has a query after the host"),
    "a URL with a password": ({"AX_URL": "http://a:b@127.0.0.1:1"}, "AX_URL contains a user name or password"),
    "a word without a dot": ({"AX_URL": "acme"}, "AX_URL must begin with https://"),
    "plain http": ({"AX_URL": "http://acme.invalid"}, "AX_URL would send the keys unencrypted to acme.invalid"),
    "no key": ({"AX_KEY": "-"}, "not set: AX_KEY"),
    "an empty key": ({"AX_KEY": ""}, "AX_KEY is empty"),
    "a blank key": ({"AX_KEY": " \t"}, "AX_KEY is empty"),
    "an empty secret": ({"AX_SECRET": ""}, "AX_SECRET is empty"),
    "a blank secret": ({"AX_SECRET": "   "}, "AX_SECRET is empty"),
}


CENTRAL = {
    *("no URL", "a path", "a URL with a path", "a trailing slash", "plain http", "an empty key", "a blank secret"),
    *("broken TOML", "a mistyped key"),
    *("a name of 300 characters", "where nobody can make a file"),
    *("_axsync", "entity=users"),
}
"""A process takes its time; the rest is for `make test-all`, and its sentences are in tests/unit/config anyway."""


def cases(mistakes: Iterable[str]) -> list[ParameterSet]:
    return [pytest.param(name, marks=() if name in CENTRAL else pytest.mark.slow) for name in mistakes]


def is_one_sentence(said: Said, words: str) -> bool:
    """A headline with these words, at most a cause and an advice below it, nothing on stdout, no traceback."""
    short = len(said.lines) <= 3 and "Traceback" not in said.err
    return short and said.out == "" and said.headline.startswith("error: ") and words in said.headline


@pytest.mark.parametrize("mistake", cases(VARIABLES))
async def test_a_mistake_in_the_variables(lab: Lab, start: Start, mistake: str) -> None:
    """The sentence names the variable and what to write."""
    emulator = await start()
    given, words = VARIABLES[mistake]
    given = {name: text.replace("{url}", emulator.url) for name, text in given.items()}
    said = await command(lab.folder, "run", environ=variables(emulator, **given))

    assert is_one_sentence(said, words.replace("{url}", emulator.url)), said
    assert (said.code, files(lab.folder), emulator.log) == (2, [], [])


FILES: dict[str, tuple[dict[str, str], str]] = {
    "no URL": ({"url": ""}, "[instances.prod] url is empty"),
    "a path": ({"url": 'url = "{url}/api"'}, "[instances.prod] url has a path after the host; write it as {url}"),
    "a trailing slash": ({"url": 'url = "{url}/"'}, "[instances.prod] url has a trailing slash after the host"),
    "plain http": ({"url": 'url = "http://acme.invalid"'}, "would send the keys unencrypted to acme.invalid"),
    "an empty key": ({"key": 'api_key = ""'}, "api_key is empty"),
    "a blank key": ({"key": 'api_key = "  "'}, "api_key is empty"),
    "a key itself": ({"key": 'api_key = "0123456789abcdef"'}, "api_key must be a reference"),
    "no secret": ({"secret": ""}, "has no api_secret"),
    "a variable that is not set": ({"key": 'api_key = "env:AX_KEE"'}, "AX_KEE"),
    "a file that is not there": ({"key": 'api_key = "file:/nowhere/key"'}, "/nowhere/key"),
    "broken TOML": ({"more": "requests_per_second = = 3"}, "is not valid TOML, line 5"),
    "a mistyped key": ({"more": "requests_per_secnd = 3"}, "did you mean 'requests_per_second'?"),
    "a mistyped table": ({"more": "[entites.devices]"}, "did you mean 'entities'?"),
    "a number out of range": ({"more": "in_flight = 0"}, "in_flight must be between 1 and 256, not 0"),
    "a text for a number": ({"more": 'in_flight = "four"'}, "in_flight must be a whole number"),
}


@pytest.mark.parametrize("mistake", cases(FILES))
async def test_a_mistake_in_the_configuration(lab: Lab, start: Start, mistake: str) -> None:
    """The sentence names the file, the table and the key."""
    emulator = await start()
    changed, words = FILES[mistake]
    (lab.folder / "axsync.toml").write_text(toml(emulator, **changed))
    said = await command(lab.folder, "run", environ=variables(emulator, AX_URL="-"))

    assert is_one_sentence(said, words.replace("{url}", emulator.url)), said
    assert (said.code, files(lab.folder), emulator.log) == (2, ["axsync.toml"], [])
    assert "0123456789abcdef" not in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--instance", "prodd"), "there is no instance 'prodd'; did you mean 'prod'?"),
        pytest.param(("--date", "20.11.2026"), "logical_date (--date) must be a day", marks=pytest.mark.slow),
        pytest.param(
            ("--as-of", "soon"), "as_of (--as-of) must be a day such as 2026-11-23, today", marks=pytest.mark.slow
        ),
        pytest.param(("--limit", "0"), "limit must be between 1", marks=pytest.mark.slow),
        pytest.param(("--config", "absent.toml"), "absent.toml", marks=pytest.mark.slow),
        pytest.param(("--lake", "ftp://lake"), "uri must be a folder or begin with s3://", marks=pytest.mark.slow),
        pytest.param(("../devices",), "entities must be written with", marks=pytest.mark.slow),
        pytest.param(("",), "entities must be written with", marks=pytest.mark.slow),
    ],
)
async def test_a_mistake_on_the_command_line(lab: Lab, start: Start, arguments: tuple[str, ...], words: str) -> None:
    """The sentence names what was mistyped and, where there is one, the nearest that exists."""
    emulator = await start()
    (lab.folder / "axsync.toml").write_text(toml(emulator))
    said = await command(lab.folder, "run", *arguments, environ=variables(emulator, AX_URL="-"))

    assert is_one_sentence(said, words), said
    assert (said.code, files(lab.folder), emulator.log) == (2, ["axsync.toml"], [])


@pytest.mark.parametrize("profile", ["p90", pytest.param("p6164", marks=pytest.mark.slow), "v1"])
async def test_a_mistyped_entity_type(lab: Lab, start: Start, profile: str) -> None:
    """The nearest offered one is named. What is offered only the server knows, so it is asked; nothing is written."""
    emulator = await start(profile)
    said = await command(lab.folder, "run", "devicse", "users", environ=variables(emulator))

    assert is_one_sentence(said, "offers no entity type 'devicse'; did you mean 'devices'?"), said
    assert (said.code, files(lab.folder)) == (2, [])
    assert not any(seen.path.endswith("/users") for seen in emulator.log)


async def test_an_entity_type_in_capitals(lab: Lab, start: Start) -> None:
    """Names are small letters; the right one is named."""
    said = await command(lab.folder, "run", "Devices", environ=variables(await start()))

    assert is_one_sentence(said, "did you mean 'devices'?"), said
    assert (said.code, files(lab.folder)) == (2, [])


async def test_an_entity_type_that_resembles_none(lab: Lab, start: Start) -> None:
    """No name is made up."""
    said = await command(lab.folder, "run", "zzzzzz", environ=variables(await start()))

    assert is_one_sentence(said, "offers no entity type 'zzzzzz'"), said
    assert (said.code, files(lab.folder)) == (2, [])


@pytest.mark.parametrize("place", ["lake", "lake/below"])
async def test_a_lake_that_is_a_file(lab: Lab, start: Start, place: str) -> None:
    """Neither it nor anything below it can be a lake."""
    emulator = await start()
    lab.lake.write_text("not a lake")
    said = await command(lab.folder, "run", "--lake", place, environ=variables(emulator))

    assert is_one_sentence(said, "is not a folder"), said
    assert (said.code, files(lab.folder), emulator.log) == (2, ["lake"], [])
    assert lab.lake.read_text() == "not a lake"


@pytest.mark.skipif(bool(STRIPPED) and which("setpriv") is None, reason="runs as root, and setpriv is not here")
@pytest.mark.parametrize("place", ["lake", "lake/below"])
async def test_a_lake_that_cannot_be_written(lab: Lab, start: Start, place: str) -> None:
    """Told before anything is asked."""
    emulator = await start()
    lab.lake.mkdir(mode=0o555)
    said = await command(lab.folder, "run", "--lake", place, stripped=True, environ=variables(emulator))

    assert is_one_sentence(said, "cannot be written: no permission to write in"), said
    assert (said.code, files(lab.folder), emulator.log) == (2, ["lake"], [])


UNUSABLE: dict[str, tuple[str, str]] = {
    "a name of 300 characters": ("x" * 300, "its path is longer than"),
    "a path of 70,000 characters": ("/".join(["deeper"] * 10_000), "its path is longer than"),
    "where nobody can make a file": ("/proc/lake", "cannot be written"),
    "among the settings of the kernel": ("/sys/lake", "cannot be written"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="/proc and /sys are there")
@pytest.mark.parametrize("mistake", cases(UNUSABLE))
async def test_a_lake_that_cannot_be_made(lab: Lab, start: Start, mistake: str) -> None:
    """Told before anything is asked, also where rights alone would allow it."""
    emulator = await start()
    place, words = UNUSABLE[mistake]
    said = await command(lab.folder, "run", "--lake", place, environ=variables(emulator))

    assert is_one_sentence(said, words), said
    assert len(said.err) < 400
    assert (said.code, files(lab.folder), emulator.log) == (2, [], [])


INSIDE = ("_axsync", "_axsync/runs", "_axsync/snapshots", "entity=users", "entity=users/instance=default")


@pytest.mark.parametrize("place", cases(INSIDE))
async def test_a_file_where_the_lake_needs_a_folder(lab: Lab, start: Start, place: str) -> None:
    """What is in its way is named, and no entity type is read in vain."""
    emulator = await start()
    (lab.lake / place).parent.mkdir(parents=True)
    (lab.lake / place).write_text("mine")
    before = files(lab.folder)
    said = await command(lab.folder, "run", "users", environ=variables(emulator))

    assert is_one_sentence(said, f"{place!r} is not a folder"), said
    assert (said.code, files(lab.folder), emulator.log) == (2, before, [])


async def test_a_file_in_nobodys_way(lab: Lab, start: Start) -> None:
    """A run that does not write there does not mind."""
    emulator = await start(sizes={"devices": 20})
    lab.lake.mkdir()
    (lab.lake / "entity=users").write_text("mine")
    said = await command(lab.folder, "run", "devices", environ=variables(emulator))

    assert said.code == 0, said
    assert (lab.lake / "entity=users").read_text() == "mine"


MOUNTS = {
    "another file system": "mount -t tmpfs none",
    "the same one, mounted again": "mount --bind ../elsewhere",
}
ISOLATED = ("unshare", "--map-root-user", "--mount")


def can_mount() -> bool:
    """Whether this machine lets a test have mounts of its own."""
    if which("unshare") is None:
        return False
    tried = subprocess.run([*ISOLATED, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True)
    return tried.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="mounts of its own are not allowed to a test here")
@pytest.mark.parametrize(
    ("place", "mount"),
    [
        ("_axsync", "another file system"),
        pytest.param("_axsync/runs", "the same one, mounted again", marks=pytest.mark.slow),
        ("entity=users", "the same one, mounted again"),
        pytest.param("entity=users/instance=default", "another file system", marks=pytest.mark.slow),
        pytest.param("entity=users/instance=default/dt=2026-11-20", "another file system", marks=pytest.mark.slow),
    ],
)
async def test_a_lake_over_two_file_systems(lab: Lab, start: Start, place: str, mount: str) -> None:
    """Parts could not be moved in, so that nothing is asked for."""
    emulator = await start()
    (lab.lake / place).mkdir(parents=True)
    (lab.folder / "elsewhere").mkdir()
    before = files(lab.folder)
    inside = f'{MOUNTS[mount]} {place} && cd .. && exec "$@"'
    run = (sys.executable, "-m", "axsync", "run", "users", "--date", "2026-11-20")
    process = await asyncio.create_subprocess_exec(
        *(*ISOLATED, "sh", "-c", f"cd lake && {inside}", "sh", *run),
        cwd=lab.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(lab.folder), **variables(emulator)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    said = Said(process.returncode or 0, out.decode(), err.decode())

    assert is_one_sentence(said, f"{place!r} is on a different file system"), said
    assert (said.code, files(lab.folder), emulator.log) == (2, before, [])


@pytest.mark.parametrize("anew", [(), pytest.param(("--fresh",), marks=pytest.mark.slow)])
@pytest.mark.parametrize("damaged", ["latest.json", pytest.param("manifest", marks=pytest.mark.slow)])
async def test_a_damaged_newest_snapshot(lab: Lab, start: Start, damaged: str, anew: tuple[str, ...]) -> None:
    """The advice is what helps, and following it does help."""
    emulator = await start(sizes={"devices": 20})
    await command(lab.folder, "run", "devices", environ=variables(emulator))
    pointer, asked = lab.lake / "_axsync/latest.json", len(emulator.log)
    manifest = pointer.parent / json.loads(pointer.read_text())["manifest"]
    (pointer if damaged == "latest.json" else manifest).write_text('{"run_id":')
    said = await command(lab.folder, "run", "devices", *anew, environ=variables(emulator))

    assert is_one_sentence(said, "the newest snapshot of the lake 'lake' cannot be read"), said
    assert "(and _axsync/latest.json) out of the lake: the next run writes new ones" in said.err
    assert (said.code, len(emulator.log)) == (2, asked)
    pointer.rename(pointer.with_name("damaged.json"))
    said = await command(lab.folder, "run", "devices", "--fresh", environ=variables(emulator))
    assert said.code == 0, said
    assert lab.ids("devices", "default") == sorted(emulator.fleets["devices"].ids())


@pytest.mark.parametrize("other", ["fifo", pytest.param("/dev/zero", marks=pytest.mark.slow)])
async def test_a_configuration_that_is_no_file(lab: Lab, start: Start, other: str) -> None:
    """What might never end, or never begin, is not read."""
    emulator = await start()
    os.mkfifo(lab.folder / "fifo")
    said = await command(lab.folder, "run", "--config", other, environ=variables(emulator))

    assert is_one_sentence(said, f"{other}: is not a regular file"), said
    assert (said.code, files(lab.folder), emulator.log) == (2, ["fifo"], [])


async def test_a_refused_key_is_another_code(lab: Lab, start: Start) -> None:
    """A wrong key is no mistake in form: exit code 4, still nothing written."""
    emulator = await start()
    said = await command(lab.folder, "run", environ=variables(emulator, AX_KEY="wrong-but-well-formed"))

    assert is_one_sentence(said, "does not accept the credential"), said
    assert (said.code, files(lab.folder), len(emulator.log)) == (4, [], 1)
    assert "wrong-but-well-formed" not in said.err


@pytest.mark.parametrize(
    "look", [pytest.param(name, marks=pytest.mark.slow) for name in ("check", "entities", "fields")]
)
async def test_a_look_makes_the_same_sentences(lab: Lab, start: Start, look: str) -> None:
    """What is wrong for a run is wrong for a look."""
    emulator = await start()
    arguments = (look, "devices") if look == "fields" else (look,)
    said = await command(lab.folder, *arguments, environ=variables(emulator, AX_URL=f"{emulator.url}/"))

    assert is_one_sentence(said, "AX_URL has a trailing slash"), said
    assert (said.code, files(lab.folder), emulator.log) == (2, [], [])


async def test_a_good_command_is_complete(lab: Lab, start: Start) -> None:
    """The same variables without a mistake: exit code 0 and a lake."""
    emulator = await start()
    said = await command(lab.folder, "run", environ=variables(emulator))

    assert said.code == 0, said
    assert lab.ids("devices", "default") == sorted(emulator.fleets["devices"].ids())
