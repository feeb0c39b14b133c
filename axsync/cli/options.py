"""Options that several commands share, and the values that they stand for.

Shared options are stored in `context.meta`, so a command's parameters are only its own.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from axsync.cli.names import entity_names, instance_names, run_names

if TYPE_CHECKING:
    from axsync.console.session import OutputOptions, Sync
    from axsync.credentials import Credential
    from axsync.lake.publish import Lake
    from axsync.runs import EntityRow, FieldRow, InstanceCheck, Plan
    from axsync.runs.inspect import Accepted
    from axsync.settings import InstanceSettings, LakeSettings, Settings

VERBOSITY, LOG_FORMAT, OUTPUT = "axsync.verbosity", "axsync.log_format", "axsync.output"
CONFIG, INSTANCES, LAKE = "axsync.config", "axsync.instances", "axsync.lake"
CREDENTIALS = "axsync.credentials"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
LAKE_HELP = "Folder of the lake; default: lake.uri from the settings."
OUTPUT_HELP = "Format of the result on stdout."
_FORMS = click.Choice(["text", "json"])
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the library that commands call. Tests replace some of them."""

    load_settings: Callable[..., Settings]
    sync: Sync
    check: Callable[..., Awaitable[tuple[InstanceCheck, ...]]]
    entities: Callable[..., Awaitable[tuple[EntityRow, ...]]]
    fields: Callable[..., Awaitable[tuple[FieldRow, ...]]]
    try_credential: Callable[[InstanceSettings, Credential | None], Awaitable[Accepted]]
    plan: Callable[..., Awaitable[Plan]]

    @classmethod
    def real(cls, **replaced: Any) -> Services:
        """The library itself, apart from what is replaced."""
        # These imports bring pyarrow and aiohttp, which help must not wait for.
        from axsync import runs  # noqa: PLC0415
        from axsync.config import load_settings  # noqa: PLC0415
        from axsync.runs.inspect import try_credential  # noqa: PLC0415

        names = ("sync", "check", "entities", "fields", "plan")
        library = {name: getattr(runs, name) for name in names}
        return cls(**library | {"load_settings": load_settings, "try_credential": try_credential} | replaced)


def complete_instances(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of `--instance`."""
    return instance_names(context.meta.get(CONFIG), incomplete)


def complete_entities(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of entity types."""
    return entity_names(context.meta.get(CONFIG), incomplete)


def complete_runs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion of run ids."""
    return run_names(context.meta.get(CONFIG), context.meta.get(LAKE), incomplete)


def _kept(key: str, *names: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """An option whose value is stored in `context.meta[key]`."""

    def keep(context: click.Context, _parameter: click.Parameter, given: object) -> None:
        context.meta[key] = given

    return click.option(*names, expose_value=False, callback=keep, **settings)


def _verbosity(level: int, *names: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    def keep(context: click.Context, _parameter: click.Parameter, given: object) -> None:
        if given and VERBOSITY in context.meta:
            raise click.UsageError("-q and -v cannot be combined")
        if given:
            context.meta[VERBOSITY] = level

    return click.option(*names, is_flag=True, expose_value=False, callback=keep, **settings)


def output_option(function: Decorated) -> Decorated:
    """`--output`."""
    return _kept(OUTPUT, "--output", type=_FORMS, default="text", show_default=True, help=OUTPUT_HELP)(function)


def source_options(function: Decorated) -> Decorated:
    """`--config`, `--instance` and `--credential`."""
    told: dict[str, Any] = {"metavar": "NAME", "help": "Only this instance; repeatable."}
    only = _kept(INSTANCES, "--instance", multiple=True, shell_complete=complete_instances, **told)
    return config_option(only(_credential_option(function)))


def _credential_option(function: Decorated) -> Decorated:
    told = "Only the instances that use this stored credential; repeatable."
    return _kept(CREDENTIALS, "--credential", multiple=True, metavar="NAME", help=told)(function)


def lake_options(function: Decorated) -> Decorated:
    """`--config` and `--lake`, for commands that read a lake and contact no instance."""
    return config_option(_kept(LAKE, "--lake", metavar="URI", help=LAKE_HELP)(function))


def lake_option(**more: Any) -> Callable[[Decorated], Decorated]:
    """`--lake`, for commands that write to it."""
    return click.option("--lake", metavar="URI", help=LAKE_HELP, **more)


def run_options(function: Decorated) -> Decorated:
    """What `run` and `plan` share: which lake, which day, how much of it."""
    for option in (
        click.option("--limit", type=int, metavar="N", help="At most N rows per entity type."),
        click.option("--as-of", metavar="DAY|latest", help="Read a day of Axonius history instead of live data."),
        click.option(
            "--date", "logical_date", metavar="DAY", help="Logical date, the dt partition; default: today (UTC)."
        ),
        lake_option(),
    ):
        function = option(function)
    return function


def config_option(function: Decorated) -> Decorated:
    """`--config`."""
    told = "Settings file; default: ./axsync.toml if it exists."
    return _kept(CONFIG, "--config", type=_FILE, metavar="FILE", help=told)(function)


def speech_options(function: Decorated) -> Decorated:
    """`--output`, `--log-format`, `-q` and `-v`."""
    return speech_options_with(_FORMS, function)


def speech_options_with(forms: click.Choice[str], function: Decorated) -> Decorated:
    """The same, for a command whose result has other formats."""
    verbose, log = "Also log each page; print tracebacks of bugs.", "Format of log lines on stderr."
    for option in (
        _verbosity(1, "-v", "--verbose", help=verbose),
        _verbosity(-1, "-q", "--quiet", help="Log warnings only."),
        _kept(LOG_FORMAT, "--log-format", type=_FORMS, default="text", show_default=True, help=log),
        _kept(OUTPUT, "--output", type=forms, default="text", show_default=True, help=OUTPUT_HELP),
    ):
        function = option(function)
    return function


def services(context: click.Context) -> Services:
    """The library, or the fakes that a test passed as `obj`."""
    return context.obj or Services.real()


def settings(context: click.Context, **overrides: object) -> Settings:
    """Settings from the file and the environment, overridden by the command line."""
    named = {"instances": context.meta[INSTANCES], "credentials": context.meta[CREDENTIALS], **overrides}
    found = services(context).load_settings(context.meta[CONFIG], overrides=named)
    if context.meta[CREDENTIALS]:
        _tell_unused(context, found)
    unlock(found)
    return found


def _tell_unused(context: click.Context, settings: Settings) -> None:
    """Say that `--credential` wins over the variables that name another host."""
    from axsync.config import unused_variables  # noqa: PLC0415  --help must not wait for it
    from axsync.console.session import say  # noqa: PLC0415  as above

    if names := unused_variables(settings.chosen(), os.environ):
        listed = f"{', '.join(names[:-1])} and {names[-1]} are" if names[1:] else f"{names[0]} is"
        told = "--credential determines the host and the keys"
        say(f"note: {listed} set in the environment and not used: {told}", output_options(context))


def unlock(settings: Settings) -> None:
    """Ask for the passphrase of the store if a chosen instance needs it, before the progress display starts."""
    from axsync.console.asking import allow_asking  # noqa: PLC0415  --help must not wait for it
    from axsync.credentials import PERSON, CredentialStore, stored  # noqa: PLC0415  as above

    names = [name for instance in settings.chosen() if (name := stored(instance)) is not None]
    allow_asking()
    person = PERSON.get()
    if person is not None and any(CredentialStore().wants_passphrase(name) for name in names):
        person(False)  # noqa: FBT003  not a new passphrase


def lake_settings(context: click.Context) -> LakeSettings:
    """The settings of the lake to read. Raises: ConfigError."""
    from axsync.config import load_lake  # noqa: PLC0415  --help must not wait for it

    return load_lake(context.meta[CONFIG], uri=context.meta[LAKE])


def lake(context: click.Context) -> Lake:
    """The lake to read. Raises: ConfigError."""
    from axsync.errors import ConfigError  # noqa: PLC0415  as above
    from axsync.lake.publish import open_lake  # noqa: PLC0415  as above

    opened = open_lake(lake_settings(context))
    if opened is None:
        raise ConfigError("this version reads local folders only; set lake.uri or --lake to a folder")
    return opened


def output_options(context: click.Context) -> OutputOptions:
    """Output format, log format and verbosity of the command."""
    from axsync.console.session import OutputOptions  # noqa: PLC0415  as above

    return OutputOptions(context.meta[OUTPUT], context.meta[LOG_FORMAT], context.meta.get(VERBOSITY, 0))
