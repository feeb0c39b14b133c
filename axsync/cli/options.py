"""Options that several commands share, how a shell completes them, and how a command's work gets their values.

Shared options are stored in `context.meta`, so a command's parameters are only its own.
"""

import tomllib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from axsync.cli.lazy_import import load

VERBOSITY, LOG_FORMAT, OUTPUT = "axsync.verbosity", "axsync.log_format", "axsync.output"
CONFIG, INSTANCES, LAKE = "axsync.config", "axsync.instances", "axsync.lake"
CREDENTIALS = "axsync.credentials"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
LAKE_HELP = "Folder of the lake; default: lake.uri from the settings."
OUTPUT_HELP = "Format of the result on stdout."
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
    """What `run`, `plan` and `config` share: which lake, which day, which assets and fields."""
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
            help="Leave out this entity type; repeatable; in addition to `skip` of the settings.",
        ),
        click.option("--limit", type=int, metavar="N", help="At most N rows per entity type."),
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


def complete_instances(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Instances of the settings."""
    return _beginning(incomplete, _table(_document(context), "instances"))


def complete_entities(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Entity types that the settings name, or else all that are known."""
    document = _document(context)
    named = [*_list(_table(document, "run"), "entities"), *_table(document, "entities")]
    chosen = [name for name in named if name not in ("default", "*")]
    return _beginning(incomplete, chosen or load("axsync.api:KNOWN_ENTITIES"))


def complete_runs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Snapshots of the lake, newest first, behind `latest` and, where there is more than one, `latest~1`."""
    named = context.meta.get(LAKE) or _table(_document(context), "lake").get("uri")
    uri = named if isinstance(named, str) else ""
    runs: list[str] = []
    with suppress(OSError, load("axsync.errors:UsageError")):
        lake = load("axsync.lake.publish:Lake")(load("axsync.lake.local:LocalStore")(Path(uri or "lake")))
        runs = load("axsync.lake.history:published")(lake)
    return _beginning(incomplete, ["latest", *(["latest~1"] if len(runs) > 1 else []), *runs])


def _document(context: click.Context) -> dict[str, Any]:
    # The plain file, not the settings: it need not be right while it is being written, and this has to be quick.
    try:
        return tomllib.loads((context.meta.get(CONFIG) or Path("axsync.toml")).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _list(table: dict[str, Any], name: str) -> list[object]:
    found = table.get(name)
    return found if isinstance(found, list) else []


def _beginning(incomplete: str, names: Iterable[object]) -> list[str]:
    texts = dict.fromkeys(name for name in names if isinstance(name, str))
    return [name for name in texts if name.startswith(incomplete)]
