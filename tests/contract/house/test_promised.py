"""Whether the names that 0.1.0 promised are still there; what they mean is tested elsewhere."""

import re
from collections.abc import Callable
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import click
import pytest

import axsync
from axsync import errors, events
from axsync.cli import main
from axsync.lake.manifest import LaneRecord, Snapshot
from axsync.telemetry.metrics import METRICS

PROMISED = (Path(__file__).parent / "promised_by_0_1_0.txt").read_text().replace("\n    ", " ").splitlines()[1:]
SETTINGS: dict[str, type[Any]] = {
    "instances": axsync.InstanceSettings,
    "entities": axsync.EntitySettings,
    "lake": axsync.LakeSettings,
    "run": axsync.RunSettings,
}


def options(command: str) -> set[str]:
    """The options of a command, or of one in a group."""
    found: click.Command | None = main
    for word in command.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
    assert found is not None
    return set(chain.from_iterable((*one.opts, *one.secondary_opts) for one in found.params))


def fields_of(shape: Any) -> set[str]:  # noqa: ANN401  whichever dataclass
    return {one.name for one in fields(shape)}


NAMES: dict[str, Callable[[str], set[str]]] = {
    "axsync": lambda _: set(axsync.__all__),
    "settings": lambda table: fields_of(SETTINGS[table]),
    "command": options,
    "event": lambda event: fields_of(getattr(events, event)),
    "errors": lambda _: set(vars(errors)),
    "metrics": lambda _: {name.removeprefix("axsync_") for name in METRICS},
    "manifest": lambda _: {"format_version", *fields_of(Snapshot)},
    "lane": lambda _: fields_of(LaneRecord),
}
"""What there is under each kind of title in the list."""


@pytest.mark.parametrize("line", PROMISED, ids=lambda line: re.sub(":.*", "", line))
def test_names_of_0_1_0_are_still_there(line: str) -> None:
    title, _, promised = line.partition(": ")
    kind, _, rest = title.partition(" ")

    assert set(promised.split()) - NAMES[kind](rest) == set()
