"""A click group that imports its commands on use, and the one place where errors are reported."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from types import FrameType
from typing import Any, NoReturn

import click

from axsync.cli.lazy_import import load
from axsync.cli.options import output_options, take_verbose
from axsync.cli.standard_streams import hold_streams
from axsync.errors import OutputLost, Terminated

INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143
_COLUMN = 40  # half a screen


class LazyGroup(click.Group):
    """Commands under headings, given by module, attribute and help line. A command is imported on use.

    Every command takes -v, since any of them may meet a bug, whose message asks for it.
    """

    def __init__(self, *, groups: Mapping[str, Mapping[str, tuple[str, str]]], **settings: Any) -> None:
        super().__init__(**settings)
        self._groups = groups
        self._places = {name: command for commands in groups.values() for name, command in commands.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        if cmd_name not in self._places:
            return None
        found: click.Command = load(self._places[cmd_name][0])
        take_verbose(found)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but suggest the closest name if there is no such command."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=self._places, ctx=ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list alone, so that it fits a screen; its own options are only -h and -V."""
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click's signature
        width = max(map(len, self._places))
        formatter.write_paragraph()
        for title, commands in self._groups.items():  # no section each, so that the list fits a screen
            formatter.write(f"{title}:\n")
            cells = [f"  {name:<{width}}  {words}" for name, (_, words) in commands.items()]
            half = -(-len(cells) // 2)
            for left, right in zip_longest(cells[:half], cells[half:], fillvalue=""):
                formatter.write(f"{left:<{_COLUMN}}{right}".rstrip() + "\n")

    def main(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401  click's signature
        """As click does, with standard streams that hold. Whoever reads no further gets the exit code of SIGPIPE."""
        hold_streams()
        try:
            return super().main(*args, **settings)
        except OutputLost as lost:  # of what click prints itself, such as help
            sys.exit(_code_of(lost))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; `help` and `help COMMAND` are `--help` and `COMMAND --help`."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's signature
        """Run the command. Errors become a message and an exit code here and nowhere else."""
        try:
            with _unwinding_on_terminate():
                return self._written(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except BrokenPipeError:
            ctx.exit(BROKEN_PIPE)
        except Terminated:
            click.echo("terminated", err=True)
            ctx.exit(TERMINATED)
        except (KeyboardInterrupt, click.Abort):  # Abort: Ctrl-C at a prompt
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except OutputLost as lost:
            ctx.exit(_code_of(lost))
        except Exception as error:  # noqa: BLE001  the one place where every error ends
            ctx.exit(load("axsync.console.explain:report_error")(error, output_options(ctx)))

    def _written(self, ctx: click.Context) -> Any:  # noqa: ANN401  as above
        """Run the command, and write what waits to be written while its errors can still be told."""
        try:
            return super().invoke(ctx)
        finally:
            sys.stdout.flush()


def _code_of(lost: OutputLost) -> int:
    """The exit code; whoever takes the first lines of a result only has asked for no more, not even an error."""
    if lost.reason:
        click.echo(f"error: {lost}", err=True)
        return 1
    return BROKEN_PIPE


@contextmanager
def _unwinding_on_terminate() -> Iterator[None]:
    """Make SIGTERM unwind like an error, so that cleanup runs; a second one exits at once."""

    def at_once(_number: int, _frame: FrameType | None) -> NoReturn:
        os._exit(TERMINATED)

    def unwind(_number: int, _frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, at_once)
        raise Terminated

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is unwind:  # after a first SIGTERM the second must still exit at once
            signal.signal(signal.SIGTERM, before)
