"""What is set up once: `axsync init` writes a settings file, `config` shows what is set, `completion` is for shells."""

import click
from click.shell_completion import ShellComplete, get_completion_class

from axsync.cli.completing import complete_credentials, complete_entities, complete_files, complete_folders
from axsync.cli.options import output_option, perform, run_options, source_options

INIT = """\b
Examples:
  axsync init
  axsync init --yes --url https://acme.on.axonius.com --entity devices
  axsync init --credential prod --lake /srv/lake --config /etc/axsync.toml

\b
CREDENTIAL is the name of a stored credential, or references to both:
  env:NAME env:NAME      variables (the default: env:AX_KEY env:AX_SECRET)
  file:PATH file:PATH    files such as those of Docker, Kubernetes and systemd

It is never the secret itself: the file holds none, and can be kept with your other settings.

Exit codes: 0 written, 2 invalid answer, or the file exists already (it is not changed)."""


@click.command(epilog=INIT)
@click.option(
    "--config",
    default="axsync.toml",
    show_default=True,
    metavar="FILE",
    shell_complete=complete_files,
    help="File to write.",
)
@click.option("--instance", default="prod", show_default=True, metavar="NAME", help="Name of the instance.")
@click.option("--url", metavar="URL", help="URL of Axonius; default: AX_URL.")
@click.option(
    "--credential",
    metavar="CREDENTIAL",
    shell_complete=complete_credentials,
    help="Where key and secret are stored, see below.",
)
@click.option(
    "--lake",
    metavar="URI",
    shell_complete=complete_folders,
    help="The lake: a folder, or an address such as s3://bucket/prefix; default: AXSYNC_LAKE, or lake.",
)
@click.option(
    "--entity",
    "entities",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_entities,
    help="An entity type to copy; repeatable.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask; use options, variables and defaults.")
@click.pass_context
def init(context: click.Context, /, config: str, instance: str, *, yes: bool, **given: object) -> None:
    """Ask four questions and write a first settings file.

    It asks for the URL of Axonius, where key and secret are stored, the lake, and the entity types, unless an option
    answers. Comments in the file show what to change next. An existing file is never overwritten.
    """
    perform(context, "axsync.console.settings_file:init", config=config, instance=instance, yes=yes, **given)


CONFIG = """\b
Examples:
  axsync config
  axsync config devices --fields hostname,os_type --lake /srv/lake
  axsync config --output json | jq '.[] | select(.origin != "default")'
  axsync config --defaults > axsync.toml
  axsync config --schema > axsync.schema.json

\b
With this line, an editor with TOML support completes and checks axsync.toml:
  #:schema ./axsync.schema.json

Exit codes: 0 printed, 2 invalid settings."""


@click.command(epilog=CONFIG)
@click.argument("entities", nargs=-1, metavar="[ENTITY]...", shell_complete=complete_entities)
@click.option("--defaults", is_flag=True, help="Print every option with its default and a comment instead.")
@click.option("--schema", is_flag=True, help="Print a JSON Schema of axsync.toml instead.")
@source_options
@run_options
@output_option
@click.pass_context
def config(context: click.Context, /, **given: object) -> None:
    """Print the settings in force, and where each comes from.

    A setting comes from a line of the file, a variable, an option, a stored credential, or the default. Takes the
    options of `axsync run` and contacts no instance. Secrets are never shown, only the references to them.
    """
    perform(context, "axsync.console.settings_file:config", **given)


COMPLETION = """\b
Examples:
  eval "$(axsync completion bash)"     in ~/.bashrc (bash 4.4 or newer)
  eval "$(axsync completion zsh)"      in ~/.zshrc, after compinit
  axsync completion fish > ~/.config/fish/completions/axsync.fish

Completes commands, options, files and folders; instances from ./axsync.toml or --config; entity types and runs from
the lake; stored credentials by name. Without a lake, entity types are those of the settings, or all known ones."""

VARIABLE = "_AXSYNC_COMPLETE"
"""Set by the shell when it asks for completions; click derives the same name from the program's."""


@click.command(epilog=COMPLETION)
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
    # Not `source`: it looks for bash on this machine, which need not be where the script is used.
    return made.source_template % made.source_vars()
