"""`axsync emulate`: the emulator as a command."""

from __future__ import annotations

import asyncio
import difflib
import json
import math
import os
import re
import signal
from collections.abc import Callable, Collection
from pathlib import Path

import click
from click.core import ParameterSource

from axsync.emulator.faults import KINDS, Fault, from_spec
from axsync.emulator.options import (
    DEFAULT_SIZES,
    DEMO_CLIENT,
    DEMO_CLIENT_SECRET,
    DEMO_KEY,
    DEMO_SECRET,
    PROFILES,
    Options,
)
from axsync.emulator.recorded_shapes import RecordedShapes, read_recorded_shapes
from axsync.emulator.server import Emulator, serve

EPILOG = """\b
Examples:
  axsync emulate --port 8765
  axsync emulate --size devices=100000 --latency 50 --drift 2
  axsync emulate --fault 429:0.05 --fault forbid:users
  axsync emulate --profile v1 --shapes 3
  axsync emulate --like probe.json
  axsync emulate --list-faults"""

_FAULT_EXAMPLES = """\
The field catalogue fails:     403:on=fields  404:on=fields,devices  500:on=fields  other-body:on=fields,body={}
Users are forbidden:           forbid:users
An administrators' table:      403:on=adapters|connections|fetches|activity|users|queries
An upgrade during a run:       maintenance:seconds=25,after=40"""


_SURELY_MEANT = 0.85  # of 1: device, devices; a type of one's own, such as applications, is less like any usual one


class _Number(click.FloatRange):
    """A finite number within bounds. nan would pass click's comparisons with the bounds."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def _entity(name: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise click.BadParameter(f"{name!r} is not an entity type: small letters, digits and underscores only")
    return name


def _sizes(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for text in given:
        entity, _, rows = text.partition("=")
        if not rows.isdecimal():
            raise click.BadParameter(f"{text!r} is not ENTITY=N")
        found[_entity(entity)] = int(rows)
    return found


def _faults(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[Fault, ...]:
    try:
        return tuple(from_spec(spec) for spec in given)
    except (ValueError, TypeError) as error:
        raise click.BadParameter(str(error)) from error


def _types(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    for name in given:
        if name not in DEFAULT_SIZES and (near := _nearest(_entity(name), DEFAULT_SIZES, _SURELY_MEANT)):
            raise click.BadParameter(f"there is no type {name!r}{near}")
    return given or None


def _nearest(word: str, known: Collection[str], cutoff: float = 0.6) -> str:
    """The end of a sentence about an unknown word; empty where none is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def _refuse_unoffered(options: Options) -> None:
    """Raises: click.UsageError for a size of a type that nobody could read."""
    offered = options.offered_by_itself()
    for name in options.sizes:
        if name not in offered:
            told = _nearest(name, offered) or f"; `--type {name}` offers a type of your own"
            raise click.UsageError(f"--size names {name!r}, which is not offered{told}")


def _offer_kinds(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def _offer_types(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in DEFAULT_SIZES if name.startswith(incomplete)]


def _offer_sizes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [f"{name}=" for name in DEFAULT_SIZES if name.startswith(incomplete)]


def _like(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> RecordedShapes | None:
    if path is None:
        return None
    try:
        return read_recorded_shapes(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.BadParameter(f"cannot read {path}: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path} is not UTF-8") from error
    except ValueError as error:
        raise click.BadParameter(f"{path} {error}") from error


def _list_faults(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click's
    if wanted:
        click.echo("KIND[:ITEM,…]  items: a probability, an entity type, times=, after=, page=, on=, and:\n")
        click.echo("503".ljust(18) + "any status; html=true, retry_after=1|date|past|negative|absurd|garbage")
        for kind, (place, text) in KINDS.items():
            click.echo(f"{kind.ljust(18)}{text} ({place})")
        click.echo(f"\n{_FAULT_EXAMPLES}")
        context.exit()


@click.command(epilog=EPILOG)
@click.option("--profile", type=click.Choice(list(PROFILES)), default="p70", show_default=True, help="Product version.")
@click.option(
    "--host", type=click.Choice(["127.0.0.1", "::1"]), default="127.0.0.1", show_default=True, help="Loopback only."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 picks a free one.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="ENTITY=N",
    callback=_sizes,
    shell_complete=_offer_sizes,
    help="Rows of a type; repeatable.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="ENTITY",
    callback=_types,
    shell_complete=_offer_types,
    help="Offer only these types; repeatable.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed makes the same rows.")
@click.option("--latency", "latency_ms", type=_Number(0), default=0, metavar="MS", help="Delay of every page.")
@click.option(
    "--request-latency", "request_ms", type=_Number(0), default=0, metavar="MS", help="Delay of every request."
)
@click.option("--rows-latency", "rows_ms", type=_Number(0), default=0, metavar="MS", help="Delay per 1,000 rows.")
@click.option("--requests-per-second", type=_Number(0, min_open=True), help="Limit on the rate; above it, 429.")
@click.option("--at-once", type=click.IntRange(1), help="Limit on concurrent requests; above it, 429.")
@click.option(
    "--retry-after",
    type=click.Choice(["seconds", "date", "none"]),
    default="seconds",
    show_default=True,
    help="Form of the Retry-After header of a 429.",
)
@click.option(
    "--drift",
    "drift_percent",
    type=_Number(0, 100),
    default=0,
    metavar="PERCENT",
    help="Share of records with values that do not match their declared type.",
)
@click.option(
    "--churn",
    "churn_percent",
    type=_Number(0, 100),
    default=0,
    metavar="PERCENT",
    help="Share of rows that come and go while the pages of a type are read.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="SPEC",
    callback=_faults,
    shell_complete=_offer_kinds,
    help="Inject a fault, such as 429:0.05 or forbid:users; repeatable.",
)
@click.option(
    "--list-faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    help="Explain all faults and exit.",
)
@click.option(
    "--mishap", "mishaps", multiple=True, callback=_faults, hidden=True, shell_complete=_offer_kinds
)  # former name of --fault
@click.option(
    "--list-mishaps",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    hidden=True,
)
@click.option("--gzip", is_flag=True, help="Compress replies for clients that accept it.")
@click.option("--iso-dates", is_flag=True, help="Serve ISO 8601 dates (profile p90).")
@click.option(
    "--merged-dates",
    type=click.Choice(["newest", "list"]),
    default="newest",
    show_default=True,
    help="How values of several adapters are merged: to one date and distinct values, or to lists of all values.",
)
@click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    callback=_like,
    help="Serve invented values of the shapes in FILE, which `axsync check --probe` writes.",
)
@click.option(
    "--shapes",
    type=int,
    metavar="SEED",
    help="Choose the JSON shape of every field by this seed; the catalogue does not show it.",
)
@click.option(
    "--unknown-fields",
    type=click.Choice(["drop", "refuse"]),
    default="drop",
    show_default=True,
    help="Ignore unknown field names, or refuse them with 400.",
)
@click.option("--token-seconds", type=_Number(0), metavar="SECONDS", help="Lifetime of a next_page token.")
@click.option("--bearer-seconds", type=_Number(0), default=3600, metavar="SECONDS", help="Lifetime of an OAuth token.")
@click.option("--bearer-requests", type=click.IntRange(1), metavar="N", help="Revoke an OAuth token after N requests.")
@click.option("--other-generation", is_flag=True, help="Also serve v1.")
@click.option(
    "--bulk", type=_Number(0, min_open=True), default=1, metavar="FACTOR", help="Multiply the length of lists."
)
@click.option("--more-fields", type=click.IntRange(0), default=0, help="Number of additional adapter-specific fields.")
@click.option("--odd-ids", is_flag=True, help="Use letters beyond f in some ids.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Log requests to this file as JSON lines.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the printed address.",
)
def emulate(output: str, **settings: object) -> None:
    """Run a small Axonius on loopback until interrupted.

    It prints its address, key and secret as three lines to paste into a shell. EMULATOR_KEY and EMULATOR_SECRET
    replace the built-in key and secret.
    """
    default = click.get_current_context().get_parameter_source("profile") is ParameterSource.DEFAULT
    if default and _of_v1(settings["like"]):
        settings["profile"] = "v1"
    options = Options(
        api_key=os.environ.get("EMULATOR_KEY", DEMO_KEY),
        api_secret=os.environ.get("EMULATOR_SECRET", DEMO_SECRET),
        client_id=os.environ.get("EMULATOR_CLIENT", DEMO_CLIENT),
        client_secret=os.environ.get("EMULATOR_CLIENT_SECRET", DEMO_CLIENT_SECRET),
        **settings,  # type: ignore[arg-type]  # validated by click
    )
    if options.like is not None and options.shapes is not None:
        raise click.UsageError("--like and --shapes cannot be combined: both define the shape of values.")
    _refuse_unoffered(options)
    try:
        asyncio.run(_run(options, _announce(output)))
    except OSError as error:
        what = f"write {options.log}" if error.filename else f"listen on {options.host} port {options.port}"
        raise click.UsageError(f"cannot {what}: {_reason(error)}") from error


def _of_v1(like: object) -> bool:
    return isinstance(like, RecordedShapes) and like.api == "v1"


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _announce(output: str) -> Callable[[Emulator], None]:
    def announce(emulator: Emulator) -> None:
        if output == "json":
            click.echo(json.dumps({"url": emulator.url, "profile": emulator.options.profile}))
        else:
            click.echo(_welcome(emulator))

    return announce


def _welcome(emulator: Emulator) -> str:
    return (
        f"A small Axonius (profile {emulator.options.profile}) listens on {emulator.url}\n\n"
        f"export AX_URL={emulator.url}\nexport AX_KEY={emulator.api_key}\nexport AX_SECRET={emulator.api_secret}\n\n"
        "Stop it with Ctrl-C."
    )


async def _run(options: Options, announce: Callable[[Emulator], None]) -> None:
    serving = asyncio.ensure_future(serve(options, on_ready=announce))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    await asyncio.wait([serving])
    if not serving.cancelled():
        await serving
