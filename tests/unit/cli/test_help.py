import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from axsync import cli
from axsync.cli import COMMANDS, GROUPS, main
from axsync.cli.lazy_import import load

LOADED = (
    "import sys; print(' '.join(sorted({m.partition('.')[0] for m in sys.modules} & {'pyarrow', 'aiohttp', 'rich'})))"
)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["demo", "--help"], ["rnu"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Neither Arrow nor aiohttp nor rich is imported to say what a command does."""
    program = f"from axsync.cli import main\ntry:\n main({arguments!r})\nexcept SystemExit:\n pass\n{LOADED}"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout.splitlines()[-1].strip() == ""


def test_no_command_loads_anything_heavy_to_be_described() -> None:
    """Nor to be completed. The emulator is described by its own options, and starts at once anyway."""
    names = [name for name in COMMANDS if name != "emulate"]
    program = f"from axsync.cli import main\nfor name in {names}:\n main.get_command(None, name)\n{LOADED}"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == ""


def places() -> list[str]:
    """What the modules of the command line load late, as `axsync.console.gc:verify`."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(Path(cli.__file__).parent.glob("*.py"))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    late = [call for call in calls if ast.unparse(call.func) in {"load", "perform"}]
    texts = [one.value for call in late for one in call.args if isinstance(one, ast.Constant)]
    return [place for place, _ in COMMANDS.values()] + list(map(str, texts))


def test_all_that_is_loaded_late_is_there() -> None:
    """A text is read by no type checker and no linter."""
    found = places()

    assert len(found) > 2 * len(COMMANDS)
    for place in found:
        assert load(place) is not None, place


def helps(command: click.Command, parent: click.Context) -> Iterator[tuple[str, str]]:
    """Path and help of a command and of those below it, on a screen of 80 columns."""
    name = command.name or ""
    context = click.Context(command, parent, info_name=name, terminal_width=80, **command.context_settings)
    yield context.command_path, command.get_help(context)
    if not isinstance(command, click.Group):
        return
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        if found is not None:
            yield from helps(found, context)


def test_every_help_fits_a_screen_of_80_columns() -> None:
    """Examples as well, which are printed as they are written."""
    wide = [
        f"{path}: {line}"
        for path, text in helps(main, click.Context(main, info_name="axsync"))
        for line in text.splitlines()
        if len(line) > 80
    ]

    assert wide == []


def test_the_list_has_each_command_with_the_first_words_of_its_own_help() -> None:
    """The lines of the list cannot drift away from the commands."""
    context = click.Context(main)

    assert main.list_commands(context) == list(COMMANDS)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(limit=200)


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "check",
        "entities",
        "fields",
        "runs",
        "show",
        "verify",
        "gc",
        "forget",
        "diff",
        "plan",
        "demo",
        "work",
        "publish",
    ],
)
def test_each_help_has_an_example(name: str) -> None:
    """People would rather copy than read."""
    result = CliRunner().invoke(main, [name, "--help"])

    assert result.exit_code == 0
    assert f"  axsync {name}" in result.stdout


def test_the_list_of_commands_fits_a_screen() -> None:
    """Under its headings, in two columns of 80 x 24 and the prompt; each command is there once."""
    lines = CliRunner().invoke(main, ["--help"], terminal_width=80).stdout.splitlines()

    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line[:-1] in GROUPS] == [f"{title}:" for title in GROUPS]
    listed = [name for line in lines for name in (line[2:12].strip(), line[42:52].strip()) if name in COMMANDS]
    assert sorted(listed) == sorted(COMMANDS)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that name it."""
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        assert found is not None
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


def test_every_command_takes_v() -> None:
    """Any of them may meet a bug, and then says: run it again with -v."""
    without = [path for path, command in commands(main) if not any("-v" in one.opts for one in command.params)]

    assert without == [("schema",), ("credential",)]
    assert main.get_command(click.Context(main), "sql") is main.get_command(click.Context(main), "sql")


def test_v_prints_the_traceback_of_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a command that has no other use for it as well."""
    monkeypatch.setattr("axsync.console.sql.find_run", None)
    said = [CliRunner().invoke(main, ["ddl", "duckdb", "--lake", ".", *more]).stderr for more in ((), ("-v",))]

    assert "with -v" in said[0]
    assert ["Traceback" in said[0] or "line" in said[0], "TypeError" in said[1], " line " in said[1]] == [
        False, True, True
    ]  # fmt: skip


def test_a_mistyped_command_names_the_nearest() -> None:
    """One sentence, exit code 2."""
    result = CliRunner().invoke(main, ["rnu"])

    assert result.exit_code == 2
    assert "Did you mean 'run'?" in result.stderr


def test_the_module_runs_as_a_program() -> None:
    """`python -m axsync` is the same."""
    said = subprocess.run([sys.executable, "-m", "axsync", "--version"], capture_output=True, text=True, check=True)

    assert said.stdout.startswith("axsync ")


@pytest.mark.parametrize(
    ("arguments", "same"), [(["-V"], ["--version"]), (["help"], ["--help"]), (["help", "gc"], ["gc", "--help"])]
)
def test_what_other_programs_call_it_works_too(arguments: list[str], same: list[str]) -> None:
    """Nobody has to guess."""
    found, expected = (CliRunner().invoke(main, one) for one in (arguments, same))

    assert (found.exit_code, found.stdout) == (0, expected.stdout)
