"""Options that several commands share, and how a command's work gets their values.

Shared options are stored in `context.meta`, so a command's parameters are only its own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from axsync.cli.completing import (
    CONFIG,
    LAKE,
    complete_credentials,
    complete_entities,
    complete_folders,
    complete_instances,
)
from axsync.cli.lazy_import import load

VERBOSITY, LOG_FORMAT, OUTPUT = "axsync.verbosity", "axsync.log_format", "axsync.output"
INSTANCES, TAGS, CREDENTIALS = "axsync.instances", "axsync.tags", "axsync.credentials"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
LAKE_HELP = "The lake: a folder, or an address such as s3://bucket/prefix; default: {}."
OUTPUT_HELP = "Format of the result on stdout."
VERBOSE = "Print tracebacks of bugs."
_FORMS = click.Choice(["text", "json"])
_FILE = click.Path(dir_okay=False, path_type=Path)


def perform(context: click.Context, work: str, /, **given: object) -> None:
    """Call the function that does the work of a command, such as `axsync.console.gc:verify`; end with its exit code.

    It gets an `Invocation`, which holds the shared options, and what the command itself was given.
    """
    context.exit(load(work)(_invocation(context), **given) or 0)


def _invocation(context: click.Context) -> object:
    meta = context.meta
    return load("axsync.console.invocation:Invocation")(
        output_options(context),
        config=meta.get(CONFIG),
        instances=meta.get(INSTANCES, ()),
        tags=meta.get(TAGS, ()),
        credentials=meta.get(CREDENTIALS, ()),
        lake_uri=meta.get(LAKE),
        services=context.obj,
    )


def output_options(context: click.Context) -> Any:  # noqa: ANN401  `OutputOptions`, which is imported late
    """Output format, log format and verbosity of the command; the defaults where it has no such option."""
    meta = context.meta
    return load("axsync.console.output:OutputOptions")(
        meta.get(OUTPUT, "text"), meta.get(LOG_FORMAT, "text"), meta.get(VERBOSITY, 0)
    )


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


def take_verbose(command: click.Command) -> None:
    """Give `-v` to a command, or to all below a group, that has none: it prints tracebacks of bugs."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            take_verbose(below)
    elif not any("-v" in parameter.opts for parameter in command.params):
        _verbosity(1, "-v", "--verbose", help=VERBOSE)(command)


def output_option(function: Decorated) -> Decorated:
    """`--output`."""
    return _kept(OUTPUT, "--output", type=_FORMS, default="text", show_default=True, help=OUTPUT_HELP)(function)


def source_options(function: Decorated) -> Decorated:
    """`--config`, `--instance`, `--tag` and `--credential`."""
    told: dict[str, Any] = {
        "metavar": "NAME",
        "help": "Only this instance, or those that a glob such as 'emea-*' matches; repeatable.",
    }
    only = _kept(INSTANCES, "--instance", multiple=True, shell_complete=complete_instances, **told)
    tag = _kept(TAGS, "--tag", multiple=True, metavar="TAG", help="Only instances with this tag; repeatable.")
    return config_option(only(tag(_credential_option(function))))


def _credential_option(function: Decorated) -> Decorated:
    told = "Only the instances that use this stored credential; repeatable."
    more: dict[str, Any] = {"metavar": "NAME", "help": told, "shell_complete": complete_credentials}
    return _kept(CREDENTIALS, "--credential", multiple=True, **more)(function)


def lake_options(function: Decorated) -> Decorated:
    """`--config` and `--lake`, for commands that read a lake and contact no instance."""
    told: dict[str, Any] = {"metavar": "URI", "help": LAKE_HELP.format("lake.uri"), "shell_complete": complete_folders}
    return config_option(_kept(LAKE, "--lake", **told)(function))


def lake_option(default: str = "lake.uri") -> Callable[[Decorated], Decorated]:
    """`--lake`, for commands that write to it; `default` says in words which lake it is otherwise."""
    told = LAKE_HELP.format(default)
    return click.option("--lake", metavar="URI", help=told, shell_complete=complete_folders)


def question_options(function: Decorated) -> Decorated:
    """Which assets and fields."""
    for option in (
        click.option(
            "--fields",
            metavar="NAMES",
            help="Copy only these fields of the named types, separated by commas: Axonius names, columns or globs; or "
            "generic, full, raw, saved-query.",
        ),
        click.option(
            "--saved-query", metavar="NAME", help="Copy what this saved query finds; `axsync queries` lists them."
        ),
        click.option("--query", metavar="AQL", help="Copy only the assets of the named type that match."),
        click.option(
            "--skip",
            multiple=True,
            metavar="TYPE",
            shell_complete=complete_entities,
            help="Leave out this entity type, in addition to `skip` in the settings; repeatable.",
        ),
    ):
        function = option(function)
    return function


def run_options(function: Decorated) -> Decorated:
    """What `run`, `plan` and `config` share: which lake, which day, which assets and fields."""
    function = question_options(function)
    for option in (
        click.option("--limit", type=int, metavar="N", help="Copy at most N rows per entity type."),
        click.option("--as-of", metavar="DAY|latest", help="Read a day of Axonius history instead of live data."),
        click.option(
            "--date",
            "logical_date",
            metavar="DAY",
            help="Logical date, the dt partition; default: the day of --as-of, or today (UTC).",
        ),
        lake_option(),
    ):
        function = option(function)
    return function


def config_option(function: Decorated) -> Decorated:
    """`--config`."""
    told = "Settings file; default: ./axsync.toml if it exists."
    return _kept(CONFIG, "--config", type=_FILE, metavar="FILE", help=told)(function)


def speech_options(function: Decorated, *, verbose: str = VERBOSE) -> Decorated:
    """`--output`, `--log-format`, `-q` and `-v`."""
    return speech_options_with(_FORMS, function, verbose=verbose)


def speech_options_with(forms: click.Choice[str], function: Decorated, *, verbose: str = VERBOSE) -> Decorated:
    """The same, for a command whose result has other formats."""
    log = "Format of log lines on stderr."
    for option in (
        _verbosity(1, "-v", "--verbose", help=verbose),
        _verbosity(-1, "-q", "--quiet", help="Log warnings only."),
        _kept(LOG_FORMAT, "--log-format", type=_FORMS, default="text", show_default=True, help=log),
        _kept(OUTPUT, "--output", type=forms, default="text", show_default=True, help=OUTPUT_HELP),
    ):
        function = option(function)
    return function
