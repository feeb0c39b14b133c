"""The run by a clock that jumps is the run over sockets: what it costs can be told for more than one machine holds."""

import json
import subprocess
import sys
from pathlib import Path

from axsync.emulator import Emulator, Options
from tests.flow.harness import Lab

ROOT = Path(__file__).parents[2]
TYPES = ("devices", "users", "groups", "software", "networks")
DEVICES = 20


async def test_a_simulated_run_asks_and_writes_what_a_real_one_does(lab: Lab) -> None:
    """Three instances, two nights: the second asks less, as rows are known and the servers, too."""
    sizes = dict.fromkeys(TYPES, DEVICES // 10) | {"devices": DEVICES}
    options = Options(profile="p70", sizes=sizes, types=TYPES)
    command = [sys.executable, "tests/benchmarks/simulation.py", "3", str(DEVICES)]
    told = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)  # noqa: ASYNC221
    first, second = map(json.loads, told.stdout.splitlines())
    async with Emulator(options) as one, Emulator(options) as two, Emulator(options) as three:
        named = (one, "one"), (two, "two"), (three, "three")
        chosen = [lab.instance(emulator, name, page_size=1_000) for emulator, name in named]
        ran = await lab.run(lab.settings(*chosen, entities=TYPES))
        asked = sum(len(emulator.log) for emulator in (one, two, three))

    assert (first["verdict"], first["rows"], first["files"]) == ("complete", 3 * sum(sizes.values()), 15)
    assert (ran.report.verdict, sum(outcome.rows for outcome in ran.report.outcomes)) == ("complete", first["rows"])
    assert first["requests"] == asked
    assert second["requests"] < asked
    assert second["seconds"] <= first["seconds"] < 10  # no page waits for those of other hosts
