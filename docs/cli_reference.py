"""Writes docs/cli.md: every command with its help, as the command line prints it. `make cli-reference` runs it.

Prints the page with `-`, for whoever wants to compare.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from axsync.cli import main

PAGE = Path(__file__).with_name("cli.md")
COLUMNS = 80
HEAD = """\
<!-- Written by docs/cli_reference.py; change the help of the commands and run `make cli-reference`. -->

# Command line

Each command says the same with `--help`. Logs and progress go to stderr, results to stdout.
"""


def pages(command: click.Command, parent: click.Context | None = None, *, name: str = "axsync") -> Iterator[str]:
    """The command's part of the page, and those of the commands below it."""
    width = {"terminal_width": COLUMNS, "max_content_width": COLUMNS}
    context = click.Context(command, parent, info_name=name, **width, **command.context_settings)
    depth = "##" if parent is None or parent.parent is None else "###"
    yield f"\n{depth} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from pages(found, context, name=below)


def reference() -> str:
    """The whole page."""
    return HEAD + "".join(pages(main))


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(reference())
    else:
        PAGE.write_text(reference(), "utf-8")
