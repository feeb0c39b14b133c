"""Completion, asked as the shells ask, and by the shells that this machine has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import axsync
from axsync.cli import COMMANDS, main
from axsync.cli.init import VARIABLE
from tests.unit.lake.folders import FolderLake

SETTINGS = """\
[instances.prod]
[instances.test]
[entities.default]
[entities.devices]
[run]
entities = ["users"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "axsync.toml").write_text(SETTINGS)
    return tmp_path


def offered(line: str) -> list[str]:
    """What is offered at the end of the line."""
    words = line.split(" ")
    environ = {VARIABLE: "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = CliRunner(env=environ).invoke(main, prog_name="axsync")
    return [item.partition(",")[2] for item in result.stdout.splitlines() if item]


def test_commands_are_offered() -> None:
    """All of them, or those that begin so."""
    assert offered("axsync ") == list(COMMANDS)
    assert offered("axsync ch") == ["check"]


@pytest.mark.parametrize("command", ["run", "check", "entities", "fields"])
def test_instances_are_those_of_the_settings(command: str) -> None:
    """Behind the option that takes one."""
    assert offered(f"axsync {command} --instance ") == ["prod", "test"]


def test_entity_types_are_those_of_the_settings() -> None:
    """The ones of [run] and the ones with a table; `default` is none."""
    assert offered("axsync run ") == ["users", "devices"]
    assert offered("axsync fields dev") == ["devices"]


@pytest.mark.parametrize("text", ["", "[run", "instances = 3\nentities = [1]\nrun = 'x'"])
def test_without_settings_that_help_all_known_types_are_offered(folder: Path, text: str) -> None:
    """Also while the file is being written."""
    (folder / "axsync.toml").write_text(text)

    assert offered("axsync run vulnerability_") == ["vulnerability_instances"]
    assert offered("axsync run --instance ") == []


def test_the_settings_that_are_named_count(folder: Path) -> None:
    """Those of --config, not those of the folder."""
    (folder / "other.toml").write_text("[instances.other]\n")

    assert offered("axsync run --config other.toml --instance ") == ["other"]


def test_runs_are_those_of_the_lake(folder: Path) -> None:
    """The newest first, `latest` before all, and `latest~1` where there may be one; in every place of a run."""
    for place in ("lake", "there"):
        snapshots = folder / place / "_axsync/snapshots"
        snapshots.mkdir(parents=True)
        (snapshots / f"20261123T020000Z-{place}.json").touch()
    (folder / "lake/_axsync/snapshots/20261124T020000Z-aaaa.json").touch()
    (folder / "lake/_axsync/snapshots/20261125T020000Z-kill.json").touch()  # being published, or killed while it was
    FolderLake(folder / "lake").journal("20261125T020000Z-kill").begin()

    runs = ["20261124T020000Z-aaaa", "20261123T020000Z-lake"]
    for command in ("show", "report", "verify", "diff", "diff latest", "sql --run", "head --run", "ddl --run"):
        assert offered(f"axsync {command} ") == ["latest", "latest~1", *runs], command
    assert offered("axsync show latest~") == ["latest~1"]
    assert offered("axsync show --lake there ") == ["latest", "20261123T020000Z-there"]


def test_entity_types_of_a_lake_are_those_that_it_holds(folder: Path) -> None:
    """Wherever a lake is read; what a run may ask for is another question."""
    for place in ("lake/entity=disks", "lake/_axsync", "there/entity=users"):
        (folder / place).mkdir(parents=True)

    for command in ("head", "fields", "diff latest latest", "ddl trino"):
        assert offered(f"axsync {command} ") == ["disks"], command
    assert offered("axsync head --lake there ") == ["users"]
    assert offered("axsync run ") == ["users", "devices"]


def test_credentials_are_those_of_the_store() -> None:
    """By name, wherever one is named; nothing is unlocked for it."""
    references = ["--url", "https://acme.example", "--key-reference", "env:K", "--secret-reference", "env:S"]
    made = CliRunner(env={"K": "k", "S": "s"}).invoke(main, ["credential", "add", "prod", "--no-test", *references])

    assert made.exit_code == 0, made.output
    for command in (
        "run --credential",
        "check --credential",
        "credential show",
        "credential remove",
        "credential test",
    ):
        assert offered(f"axsync {command} ") == ["prod"], command
    assert offered("axsync credential add ") == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [("run --lake", "dir"), ("runs --lake", "dir"), ("run --metrics-file", "file"), ("init --lake", "dir")],
)
def test_folders_and_files_are_left_to_the_shell(line: str, kind: str) -> None:
    """Which knows them best."""
    environ = {VARIABLE: "bash_complete", "COMP_WORDS": f"axsync {line} x", "COMP_CWORD": str(len(line.split()) + 1)}

    assert CliRunner(env=environ).invoke(main, prog_name="axsync").stdout.strip() == f"{kind},x"


@pytest.mark.parametrize("line", ["credential show ", "run --credential ", "head ", "show "])
def test_what_goes_wrong_is_never_told_into_the_line(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is damaged, a lake that is a file: nothing is offered, or what is known anyway."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    (folder / "axsync").mkdir()
    (folder / "axsync/credentials.json").write_text("{")
    (folder / "lake").write_text("")
    environ = {VARIABLE: "bash_complete", "COMP_WORDS": f"axsync {line}", "COMP_CWORD": str(len(line.split(" ")))}
    result = CliRunner(env=environ).invoke(main, prog_name="axsync")

    assert (result.exit_code, result.stderr) == (0, "")


def test_faults_of_the_emulator_are_offered() -> None:
    """By kind; types by name; sizes up to the number."""
    assert offered("axsync emulate --fault empty-") == ["empty-body", "empty-page", "empty-meta", "empty-id"]
    assert offered("axsync emulate --mishap bom") == ["bom"]
    assert offered("axsync emulate --type dev") == ["devices"]
    assert offered("axsync emulate --size dev") == ["devices="]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed_without_asking_the_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be made where that shell is not."""
    monkeypatch.setenv("PATH", "")
    result = CliRunner().invoke(main, ["completion", shell])

    assert result.exit_code == 0, result.output
    assert VARIABLE in result.stdout


def test_nothing_heavy_is_loaded_to_complete() -> None:
    """Somebody waits at the keyboard."""
    program = (
        "import sys\nfrom axsync.cli import main\ntry:\n main(prog_name='axsync')\nexcept SystemExit:\n pass\n"
        "print({'pyarrow', 'aiohttp', 'rich'} & set(sys.modules))"
    )
    environ = {VARIABLE: "bash_complete", "COMP_WORDS": "axsync run --instance ", "COMP_CWORD": "3"}
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | environ
    )

    assert said.stdout.splitlines() == ["plain,prod", "plain,test", "set()"]


BASH_LINE = 'COMP_WORDS=(axsync run --instance ""); COMP_CWORD=3'
IN_SHELLS = {
    "bash": (
        ["bash", "--norc", "-c"],
        f"source ./script; {BASH_LINE}; _axsync_completion axsync; echo ${{COMPREPLY[*]}}",
    ),
    "fish": (["fish", "--no-config", "-c"], 'source ./script; complete -C "axsync run --instance "'),
    "zsh": (["zsh", "-f", "-c"], "autoload -U compinit; compinit -u -D; source ./script; print ${_comps[axsync]}"),
}
"""How each shell is asked without a keyboard, which zsh cannot be: there the script only has to take effect."""


@pytest.mark.parametrize("shell", IN_SHELLS)
def test_the_script_works_in_the_shell_itself(shell: str, folder: Path) -> None:
    """Where the shell is installed."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (folder / "script").write_text(CliRunner().invoke(main, ["completion", shell]).stdout)
    program = folder / "bin/axsync"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m axsync "$@"\n')
    program.chmod(0o755)
    command, text = IN_SHELLS[shell]
    where = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(Path(axsync.__file__).parents[1])}
    said = subprocess.run(
        [*command, text], capture_output=True, text=True, check=True, env=os.environ | where, cwd=folder
    )

    assert said.stdout.split() == (["_axsync_completion"] if shell == "zsh" else ["prod", "test"])
