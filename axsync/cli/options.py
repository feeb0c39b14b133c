"""Options that several commands share, and what they come to.

They are kept in `context.meta`, so that a command's parameters are only its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from axsync.cli.names import entity_names, instance_names, run_names

if TYPE_CHECKING:
    from axsync.cli.doors import Services
    from axsync.console.session import OutputOptions
    from axsync.lake.publish import Lake
    from axsync.settings import LakeSettings, Settings

VERBOSITY, LOG_FORMAT, OUTPUT = "axsync.verbosity", "axsync.log_format", "axsync.output"
CONFIG, INSTANCES, LAKE = "axsync.config", "axsync.instances", "axsync.lake"
CREDENTIALS = "axsync.credentials"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_FORMS = click.Choice(["text", "json"])
_FILE = click.Path(dir_okay=False, path_type=Path)


def complete_instances(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For shells."""
    return instance_names(context.meta.get(CONFIG), incomplete)


def complete_entities(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For shells."""
    return entity_names(context.meta.get(CONFIG), incomplete)


def complete_runs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For shells."""
    return run_names(context.meta.get(CONFIG), context.meta.get(LAKE), incomplete)


def _kept(key: str, *names: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """An option whose value goes to `context.meta[key]`."""

    def keep(context: click.Context, _parameter: click.Parameter, given: object) -> None:
        context.meta[key] = given

    return click.option(*names, expose_value=False, callback=keep, **settings)


def _verbosity(level: int, *names: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    def keep(context: click.Context, _parameter: click.Parameter, given: object) -> None:
        if given and VERBOSITY in context.meta:
            raise click.UsageError("-q and -v do not go together")
        if given:
            context.meta[VERBOSITY] = level

    return click.option(*names, is_flag=True, expose_value=False, callback=keep, **settings)


def output_option(function: Decorated) -> Decorated:
    """`--output`."""
    told = "Form of the result on stdout."
    return _kept(OUTPUT, "--output", type=_FORMS, default="text", show_default=True, help=told)(function)


def source_options(function: Decorated) -> Decorated:
    """`--config`, `--instance` and `--credential`."""
    told: dict[str, Any] = {"metavar": "NAME", "help": "Only this one; repeatable."}
    only = _kept(INSTANCES, "--instance", multiple=True, shell_complete=complete_instances, **told)
    return config_option(only(_credential_option(function)))


def _credential_option(function: Decorated) -> Decorated:
    told = "Instances with this stored credential; repeatable."
    return _kept(CREDENTIALS, "--credential", multiple=True, metavar="NAME", help=told)(function)


def lake_options(function: Decorated) -> Decorated:
    """`--config` and `--lake`, for commands that look at a lake and ask no instance."""
    return config_option(
        _kept(LAKE, "--lake", metavar="URI", help="The lake; otherwise that of the settings.")(function)
    )


def config_option(function: Decorated) -> Decorated:
    """`--config`."""
    told = "Settings; ./axsync.toml when there is one."
    return _kept(CONFIG, "--config", type=_FILE, metavar="FILE", help=told)(function)


def speech_options(function: Decorated) -> Decorated:
    """`--output`, `--log-format`, `-q` and `-v`."""
    return speech_options_with(_FORMS, function)


def speech_options_with(forms: click.Choice[str], function: Decorated) -> Decorated:
    """The same, for a command whose result has other forms."""
    verbose, log = "Single pages as well; tracebacks of bugs.", "Form of log lines on stderr."
    for option in (
        _verbosity(1, "-v", "--verbose", help=verbose),
        _verbosity(-1, "-q", "--quiet", help="Only warnings and the result."),
        _kept(LOG_FORMAT, "--log-format", type=_FORMS, default="text", show_default=True, help=log),
        _kept(OUTPUT, "--output", type=forms, default="text", show_default=True, help="Form of the result on stdout."),
    ):
        function = option(function)
    return function


def doors(context: click.Context) -> Services:
    """What the command sets in motion: the real thing, or what a test handed in as `obj`."""
    from axsync.cli.doors import Services  # noqa: PLC0415  brings pyarrow and aiohttp; --help must not wait for them

    return context.obj or Services()


def settings(context: click.Context, **overrides: object) -> Settings:
    """The settings of file and environment, under what the command line says."""
    named = {"instances": context.meta[INSTANCES], "credentials": context.meta[CREDENTIALS], **overrides}
    found = doors(context).load_settings(context.meta[CONFIG], overrides=named)
    if context.meta[CREDENTIALS]:
        _tell_unused(context, found)
    unlock(found)
    return found


def _tell_unused(context: click.Context, settings: Settings) -> None:
    """Who sets a host and names a credential for another should know which of the two counts."""
    from axsync.config import unused_variables  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import say  # noqa: PLC0415  as above

    if names := unused_variables(settings.chosen(), os.environ):
        listed = f"{', '.join(names[:-1])} and {names[-1]} are" if names[1:] else f"{names[0]} is"
        told = "--credential says which host is asked, and with which keys"
        say(f"note: {listed} set in the environment and not used: {told}", manner(context))


def unlock(settings: Settings) -> None:
    """Ask for the passphrase of the store where a chosen instance needs it, before a picture fills the terminal."""
    from axsync.console.asking import allow_asking  # noqa: PLC0415  --help must not wait for it
    from axsync.credentials import PERSON, CredentialStore, stored  # noqa: PLC0415  as above

    names = [name for instance in settings.chosen() if (name := stored(instance)) is not None]
    allow_asking()
    person = PERSON.get()
    if person is not None and any(CredentialStore().wants_passphrase(name) for name in names):
        person(False)  # noqa: FBT003  it is not a new one


def lake_settings(context: click.Context) -> LakeSettings:
    """What the settings say of the lake to look at. Raises: ConfigError."""
    from axsync.config import load_lake  # noqa: PLC0415  --help must not wait for it

    return load_lake(context.meta[CONFIG], uri=context.meta[LAKE])


def lake(context: click.Context) -> Lake:
    """The lake to look at. Raises: ConfigError."""
    from axsync.errors import ConfigError  # noqa: PLC0415  as above
    from axsync.lake.publish import Lake  # noqa: PLC0415  as above

    root = lake_settings(context).path
    if root is None:
        raise ConfigError("this version reads local folders only; give lake.uri or --lake a folder")
    return Lake(root)


def manner(context: click.Context) -> OutputOptions:
    """How the command is to speak."""
    from axsync.console.session import OutputOptions  # noqa: PLC0415  as above

    return OutputOptions(context.meta[OUTPUT], context.meta[LOG_FORMAT], context.meta.get(VERBOSITY, 0))
