import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from axsync.console.check import CheckPrinter, check_exit_code, show_entities, show_fields
from axsync.console.text import as_json
from axsync.runs.check import CheckStep, EntityCheck, InstanceCheck
from axsync.runs.inspect import EntityRow, FieldRow

GOOD = InstanceCheck(
    "prod",
    "https://acme.example",
    (CheckStep("reachable", ok=True, text="acme.example"), CheckStep("discovery cycle", ok=None, text="done")),
    (
        EntityCheck("devices", "readable", 41_873, title="Devices"),
        EntityCheck("vulnerabilities", "forbidden", note="403", title="Aggregated Security Findings"),
    ),
)
REFUSED = InstanceCheck(
    "test",
    "https://test.example",
    (
        CheckStep("reachable", ok=True, text="h"),
        CheckStep("credential", ok=False, text="401", advice="Use another key.", failure="refused"),
    ),
)
DOWN = InstanceCheck(
    "down", "https://down.example", (CheckStep("reachable", ok=False, text="timed out", failure="unreachable"),)
)


def console() -> tuple[io.StringIO, Console]:
    stream = io.StringIO()
    return stream, Console(file=stream, width=200)


def test_a_check_shows_steps_rights_and_advice() -> None:
    """Each instance is told from its first step to its entity types."""
    stream, out = console()
    CheckPrinter(out, lambda: None, {}).finish([GOOD, REFUSED])

    shown = [line.split() for line in stream.getvalue().splitlines()]
    assert ["reachable", "ok", "acme.example"] in shown
    assert ["devices", "Devices", "readable", "41,873"] in shown
    assert ["vulnerabilities", "Aggregated", "Security", "Findings", "forbidden", "403"] in shown
    assert ["credential", "failed", "401"] in shown
    assert ["credential:", "Use", "another", "key."] in shown


def test_steps_are_printed_as_they_come_and_once() -> None:
    """Those of the first instance; what came out otherwise than it seemed is told again, the others in the end."""
    stream, out = console()
    printer = CheckPrinter(out, lambda: None, {"prod": "https://acme.example", "test": "https://test.example"})
    for name, found in (("prod", GOOD), ("test", REFUSED)):
        printer(name, found.steps[0])
    early = stream.getvalue().splitlines()
    seemed = replace(GOOD, steps=(replace(GOOD.steps[0], ok=False, text="not at all"), *GOOD.steps[1:]))
    printer.finish([seemed, REFUSED])

    assert early == [
        "prod https://acme.example",
        "step          result",
        "reachable     ok      acme.example",
    ]
    assert stream.getvalue().splitlines()[3:5] == [
        "reachable     failed  not at all",
        "discovery cycle  –       done",
    ]
    assert stream.getvalue().count("https://test.example") == 1


def test_the_first_failed_step_decides_the_exit_code() -> None:
    """A refused credential is 4, a host that is down 75, and all well 0."""
    assert [check_exit_code([GOOD]), check_exit_code([GOOD, REFUSED]), check_exit_code([DOWN, REFUSED])] == [0, 4, 75]


def test_entities_have_counts_and_a_total() -> None:
    """What cannot be counted has its note."""
    stream, out = console()
    rows = [
        EntityRow("prod", "devices", 41_873, title="Devices"),
        EntityRow("prod", "vulnerability_instances", None, "forbidden", "Security Findings"),
    ]
    show_entities(rows, out)

    assert stream.getvalue().splitlines() == [
        "entity type              title               count",
        "devices                  Devices            41,873",
        "vulnerability_instances  Security Findings          forbidden",
        "-------------------------------------------------------------",
        "2 entity types                              41,873",
    ]


def test_fields_show_column_type_and_the_name_at_axonius() -> None:
    """The column has priority: that is what one types."""
    stream, out = console()
    name = "adapters_data.aws_adapter.region"
    show_fields([FieldRow("prod", name, "aws__region", "string", "Region", "aws_adapter")], out)

    assert stream.getvalue().splitlines()[1].split() == ["aws__region", "Region", "aws_adapter", name, "string"]


@pytest.mark.parametrize(
    ("width", "left"), [(200, {"Region", "aws_adapter"}), (92, {"aws_adapter"}), (80, set()), (40, set())]
)
def test_on_a_narrow_terminal_names_stay_whole(width: int, left: set[str]) -> None:
    """Titles go first, then adapters; types are cut; at last each field has two lines."""
    field = "adapters_data.aws_adapter.region_of_account"
    rows = [FieldRow("prod", field, "aws__region", f"list<{'struct<a: string>' * 3}>", "Region", "aws_adapter")]
    stream = io.StringIO()
    show_fields(rows, Console(file=stream, force_terminal=True, width=width, color_system=None))
    lines, words = stream.getvalue().splitlines(), set(stream.getvalue().split())

    assert {field, "aws__region"} <= words
    assert words & {"Region", "aws_adapter"} == left
    assert all(len(line) <= width or line.strip() == field for line in lines)
    assert ("without titles" in stream.getvalue()) == (width < 200)


def test_nothing_found_is_an_empty_table() -> None:
    """An instance without entity types is no error."""
    stream, out = console()
    show_entities([], out)
    show_fields([], out)

    assert "0 entity types" in stream.getvalue()


def test_json_is_a_list_of_what_was_found() -> None:
    """The same values, by name."""
    assert json.loads(as_json([EntityRow("prod", "devices", 7, "", "Devices")])) == [
        {"instance": "prod", "entity": "devices", "count": 7, "note": "", "title": "Devices"}
    ]


def test_many_instances_fit_a_screen() -> None:
    """Those with a failed step come first, and what to do about them below; --output json has the rest."""
    stream, out = console()
    many = [replace(GOOD, name=f"tenant-{number:03}") for number in range(180)]
    many += [replace(REFUSED, name=f"refused-{number:02}") for number in range(20)]
    printer = CheckPrinter(out, lambda: None, {one.name: one.url for one in many})
    printer(many[0].name, many[0].steps[0])
    printer.finish(many)

    shown = [line.split() for line in stream.getvalue().splitlines()]
    assert len(shown) < 45
    assert shown[1] == ["refused-00", "failed:", "credential"]
    assert shown[21] == ["tenant-000", "2", "1", "ok"]
    assert ["175", "others", "350", "175", "175", "ok"] in shown
    assert ["total:", "200", "360", "180"] in shown
    assert stream.getvalue().splitlines()[-1] == "8 more: --output json lists them"
