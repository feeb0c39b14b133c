"""`axsync completion`: the script that a shell needs."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

EPILOG = """\b
Examples:
  eval "$(axsync completion bash)"                         in ~/.bashrc (bash 4.4 or newer)
  eval "$(axsync completion zsh)"                          in ~/.zshrc, after compinit
  axsync completion fish > ~/.config/fish/completions/axsync.fish

\b
Instances and entity types are those of ./axsync.toml or --config; where no table names a type, all known ones."""

VARIABLE = "_AXSYNC_COMPLETE"
"""What the shells set to ask; click's own rule makes the same of the program's name."""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the script that completes commands, options and names in a shell."""
    found = get_completion_class(shell)
    if found is None:  # pragma: no cover  click has all three
        raise click.UsageError(f"click does not know {shell}")
    click.echo(_source(found, context.find_root()))


def _source(kind: type[ShellComplete], root: click.Context) -> str:
    made = kind(root.command, {}, "axsync", VARIABLE)
    # Not `source`: that looks for a bash on this machine, which need not be where the script is used.
    return made.source_template % made.source_vars()
