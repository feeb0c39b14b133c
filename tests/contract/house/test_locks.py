"""Both locks and what the Makefile does with them; nothing is installed here."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
FULL, DEMO = "requirements.lock", "requirements-demo.lock"


def pinned(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Package → its version and its hashes."""
    text = (ROOT / lock).read_text("utf-8")
    found = re.findall(r"^([a-z0-9-]+)==(\S+) ((?:\\\n +--hash=\S+ ?)+)", text, re.MULTILINE)
    return {name: (version, frozenset(re.findall(r"sha256:[0-9a-f]+", hashes))) for name, version, hashes in found}


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[><=~]", one)[0] for one in requirements}


def test_the_demo_installs_a_part_of_what_tests_install() -> None:
    """The same versions by the same hashes, or `make demo` and `make test` would undo each other's work."""
    full, demo = pinned(FULL), pinned(DEMO)

    assert {name: demo[name] for name in demo if demo[name] != full.get(name)} == {}
    assert len(demo) < len(full) / 2


def test_the_demo_has_all_that_axsync_needs() -> None:
    """What runs, DuckDB included, and what an editable install is built with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = named([*project["project"]["dependencies"], *project["build-system"]["requires"]])

    assert wanted - set(pinned(DEMO)) == set()
    assert "duckdb" in wanted


def commands(target: str, folder: Path) -> str:
    """What `make` would do on a machine without an environment."""
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", target, f"VENV={folder / 'venv'}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout


def test_make_says_what_it_installs_and_how_long_that_takes(tmp_path: Path) -> None:
    """The demo does not wait for tools of developers; tests have both, in one environment."""
    demo, tests = commands("demo", tmp_path), commands("test", tmp_path)

    assert re.findall(r"--require-hashes -r ([\w.-]+)", demo) == [DEMO]
    assert re.findall(r"--require-hashes -r ([\w.-]+)", tests) == [DEMO, FULL]
    assert [text.count('echo "setting up') for text in (demo, tests)] == [1, 2]


def test_make_says_that_it_is_still_at_work_and_keeps_exit_codes(tmp_path: Path) -> None:
    """A dot every few seconds, as long as a command takes that says nothing itself."""
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"include {ROOT}/Makefile\nwell ill:\n\t@$(call dotted,sleep 0.3; test $@ = well)\n")
    told = {
        name: subprocess.run(["make", "-f", makefile, name, "PAUSE=0.1"], cwd=ROOT, capture_output=True, text=True)  # noqa: PLW1510  the code is looked at
        for name in ("well", "ill")
    }

    assert {name: one.returncode for name, one in told.items()} == {"well": 0, "ill": 2}
    assert all(one.stderr.startswith(".") for one in told.values())


def test_what_is_installed_is_waited_for_with_dots(tmp_path: Path) -> None:
    """Each step of `make demo` and of `make test` that takes a while."""
    for target, steps in (("demo", 1), ("test", 2)):
        assert commands(target, tmp_path).count("printf .") == steps
