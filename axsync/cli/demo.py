"""`axsync demo`."""

import click

from axsync.cli.options import doors, manner, speech_options


@click.command(epilog="\b\nExample:\n  axsync demo --rows 20000 --lake /tmp/demo-lake")
@click.option("--lake", default="demo-lake", show_default=True, metavar="URI", help="Where the dump goes.")
@click.option("--rows", type=click.IntRange(0, 5_000_000), default=2000, show_default=True, help="Number of devices.")
@speech_options
@click.pass_context
def demo(context: click.Context, /, lake: str, rows: int) -> None:
    """Start a small Axonius, dump all it offers, and look at the lake; needs no account."""
    from axsync.cli.demo_run import demonstrate  # noqa: PLC0415  brings pyarrow and aiohttp; --help must not wait for them

    context.exit(demonstrate(doors(context).sync, lake, rows=rows, manner=manner(context)))
