import json
import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from axsync.errors import ConfigError
from axsync.telemetry.finish import FinishCommand, argv_of
from axsync.telemetry.reporter import Failed
from tests.unit.telemetry.story import summary


def python(program: str) -> FinishCommand:
    return FinishCommand((sys.executable, "-c", program), 60.0, dict(os.environ))


def test_the_command_gets_the_summary_on_standard_input(tmp_path: Path) -> None:
    """As one JSON document."""
    target = tmp_path / "got.json"
    python(f"import sys, pathlib; pathlib.Path({str(target)!r}).write_text(sys.stdin.read())").close(summary())

    assert json.loads(target.read_text()) == summary()


def test_a_command_that_reads_nothing_is_fine() -> None:
    """However long the summary is, nobody waits for it to be read."""
    python("pass").close(summary(text="x" * 1_000_000))


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    """Its exit code, and the last line of what it said."""
    with pytest.raises(Failed, match=r"failed with exit code 3: no such channel$"):
        python("import sys; print('one', file=sys.stderr); sys.exit(print('no such channel') or 3)").close(summary())


def test_a_command_ended_by_a_signal_is_told() -> None:
    """By the number of the signal."""
    with pytest.raises(Failed, match="was killed by signal 9"):
        python("import os; os.kill(os.getpid(), 9)").close(summary())


def test_a_command_that_does_not_end_is_killed_with_all_it_started(tmp_path: Path) -> None:
    """A child that keeps its files open blocks nobody either."""
    mark = tmp_path / "pid"
    program = f"sleep 600 & echo $! > {shlex.quote(str(mark))}; wait"
    with pytest.raises(Failed, match=r"did not finish within \d+ s and was killed"):
        FinishCommand(("sh", "-c", program), 1.0, dict(os.environ)).close(summary())

    assert ended(int(mark.read_text()))


def ended(pid: int) -> bool:
    """Whether the process is gone, or only waits to be counted; it is given some time."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_words_are_split_as_a_shell_would_without_one() -> None:
    """Quotes hold words together; nothing is expanded."""
    assert argv_of("sh -c 'echo \"$1\"' * ", os.environ) == ("sh", "-c", 'echo "$1"', "*")


def test_a_program_that_is_not_there_is_refused_before_the_run() -> None:
    """A night later would be too late."""
    with pytest.raises(ConfigError, match="on_finish names the program 'no-such-program-here'"):
        argv_of("no-such-program-here --x", os.environ)
