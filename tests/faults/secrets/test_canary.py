"""No mishap of a server makes axsync say or keep a secret: all that the emulator knows, at the most verbose level."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from axsync.emulator import KINDS, Emulator, Mishap
from tests.faults.secrets.conftest import CONFIG, Seen, axsync
from tests.faults.secrets.marks import assert_clean

Start = Callable[..., Awaitable[Emulator]]

TYPES = (
    *("devices", "users", "vulnerabilities", "vulnerability_instances", "software", "networks", "incidents"),
    *("certificates", "groups", "accounts", "saas_applications", "databases", "disks", "tickets", "alert_findings"),
)
STATUSES = ("400", "403", "404", "409", "422", "429", "500", "502", "503", "504")
EVERYTHING = tuple(sorted({*KINDS, *STATUSES}))
AT_ONCE = -(-len(EVERYTHING) // len(TYPES))
MIXED = [EVERYTHING[at::AT_ONCE] for at in range(AT_ONCE)]
"""So that a host that mostly answers is not given up. A type that answers 429 for ever slows the whole host down."""
USUAL = [kinds for kinds in MIXED if "429" not in kinds]
UNUSUAL = [kinds for kinds in MIXED if "429" in kinds]
OF_TOKENS = {"token-expired", "token-loop", "token-vanishes"}
DETAILS = {
    "zip-bomb": {"size": 50_000_000},
    "slow-start": {"seconds": 0.3},
    "maintenance": {"seconds": 0.01},  # a host that fails all at once is looked after a minute later
    "huge-text": {"size": 200_000},
    "long-list": {"count": 20_000},
    "many-keys": {"count": 5_000},
}
LEAVE = "sh -c 'env > inherited.txt; cat > summary.json'"
"""A command for the end of the run, which keeps what it was given."""


def mishap(kind: str, entity: str) -> Mishap:
    """On the pages of one entity type; what concerns counts, on its counts, which would be waited for minutes."""
    on, times = ("count", 2) if kind in {"count", "count-null"} else ("page", None)
    return Mishap(kind, entity=entity, on=on, times=times, **DETAILS.get(kind, {}))  # type: ignore[arg-type]  # by name


async def run(folder: Path, emulator: Emulator, *flags: str, more: str = "") -> Seen:
    """`axsync run` with this emulator; all that it said, and all that was left, is searched."""
    (folder / "axsync.toml").write_text(CONFIG.format(url=emulator.url) + more)
    seen = await axsync(folder, "run", "-v", "--on-finish", LEAVE, *flags)
    assert_clean(seen.out, seen.err, *seen.listed, *seen.inherited, folder=folder)
    return seen


def folder_of(kinds: tuple[str, ...], tmp_path: Path) -> Path:
    folder = tmp_path / kinds[0]
    folder.mkdir()
    return folder


async def survive(folder: Path, start: Start, kinds: tuple[str, ...], form: str) -> None:
    """Each kind on a type of its own, all in one run; every one of them really happened."""
    emulator = await start(types=TYPES, sizes=dict.fromkeys(TYPES, 60), token_seconds=60.0)
    mishaps = [mishap(kind, entity) for kind, entity in zip(kinds, TYPES, strict=False)]
    emulator.mishaps.extend(mishaps)
    paging = 'paging = "token"\n' if OF_TOKENS & set(kinds) else ""
    seen = await run(folder, emulator, "--log-format", form, more=paging)

    assert seen.code in (0, 3), (kinds, seen.err)
    assert {one.kind for one in mishaps if not one.fired} == set()
    assert seen.err.count(b"\n") > len(kinds)
    assert (folder / "summary.json").exists()


@pytest.mark.alone
@pytest.mark.parametrize("form", [pytest.param("json", marks=pytest.mark.slow), "text"])
@pytest.mark.parametrize("rounds", [USUAL, pytest.param(UNUSUAL, marks=pytest.mark.slow)], ids=["usual", "unusual"])
async def test_no_mishap_makes_it_leak(tmp_path: Path, start: Start, rounds: list[tuple[str, ...]], form: str) -> None:
    """Runs mostly wait for these servers, hence side by side."""
    await asyncio.gather(*(survive(folder_of(kinds, tmp_path), start, kinds, form) for kinds in rounds))


REFUSALS = {
    "the key repeated": Mishap("echo-key", status=401),
    "401": Mishap("401"),
    "403": Mishap("403"),
    "redirect": Mishap("redirect"),
    "login page": Mishap("login-page"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("command", ["run", "check"])
async def test_a_server_that_refuses_everything_is_told_without_a_secret(
    tmp_path: Path, start: Start, name: str, command: str
) -> None:
    """Nothing can be asked: the words are about the host and not about the keys, also where it repeats them."""
    emulator = await start(types=TYPES[:2], mishaps=(REFUSALS[name],))
    (tmp_path / "axsync.toml").write_text(CONFIG.format(url=emulator.url))
    seen = await axsync(tmp_path, command, "-v", "--log-format", "json")

    assert seen.code != 0
    assert emulator.log
    assert_clean(seen.out, seen.err, *seen.listed, folder=tmp_path)


async def test_a_run_that_processes_share_leaks_nothing(tmp_path: Path, start: Start) -> None:
    """Neither does its plan, in which secrets are references."""
    emulator = await start(types=("devices",), sizes={"devices": 30})
    (tmp_path / "axsync.toml").write_text(CONFIG.format(url=emulator.url))
    publish = ("publish", "-v", "plan.json", "--on-finish", LEAVE)
    for command in (("plan", "--shards", "1"), ("work", "-v", "plan.json", "0"), publish):
        seen = await axsync(tmp_path, *command)
        assert seen.code == 0, seen.err
        if command[0] == "plan":
            (tmp_path / "plan.json").write_bytes(seen.out)
        assert_clean(seen.out, seen.err, *seen.listed, *seen.inherited, folder=tmp_path)
    assert (tmp_path / "summary.json").exists()
