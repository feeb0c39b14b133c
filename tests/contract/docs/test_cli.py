"""The reference of the command line is what the commands say, and what they say is enough."""

from collections.abc import Iterator

import click
import pytest

from axsync.cli import main
from docs.cli_reference import PAGE, reference


def test_the_reference_is_what_the_commands_say() -> None:
    """Whoever changes a command writes the page anew, with `make cli-reference`."""
    assert PAGE.read_text("utf-8") == reference(), "run make cli-reference"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), [pytest.param(*one, id=one[0]) for one in commands(main, "axsync")])
def test_every_help_says_what_with_and_how(path: str, command: click.Command) -> None:
    """One sentence, an example, and a word about every option."""
    text = command.get_help(click.Context(command, info_name=path))

    assert command.help
    assert command.help.split("\n\n")[0].rstrip().endswith(".")
    assert f"  {path}" in text.partition("Example")[2] or isinstance(command, click.Group)
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    assert [option.name for option in options if not option.help] == []
