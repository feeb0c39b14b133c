import io
import json
import shlex
from dataclasses import replace

import pytest
from rich.console import Console

from axsync.console.output import plain_lines
from axsync.console.run_result import closing_table, exit_code, first_look, report_json, show_errors, show_report
from axsync.errors import AxsyncError, BadAnswer, GuardRefused, OutOfTime, Refused, Unreachable
from axsync.model import Lane, Outcome, Part
from axsync.runs.run import Report

PART = Part("entity=devices/instance=prod/dt=2026-11-23/part-r1-00000.parquet", 2000, 900_000, "ab")


def outcome(entity: str = "devices", *, rows: int = 2000, verdict: str = "complete", instance: str = "prod") -> Outcome:
    made = Outcome(
        Lane(instance, entity), "complete", rows=rows, pages=1, bytes=12_300_000, seconds=2.04, parts=(PART,)
    )
    return replace(made, verdict=verdict)  # type: ignore[arg-type]  # one of the verdicts


def failed(entity: str, error: AxsyncError) -> tuple[Outcome, AxsyncError]:
    error.add_note(f"prod/{entity}")
    return Outcome(Lane("prod", entity), "failed", str(error)), error


def report(*outcomes: Outcome, verdict: str = "complete", errors: tuple[AxsyncError, ...] = ()) -> Report:
    return Report("r1", "2026-11-23", verdict, outcomes, "_axsync/snapshots/r1.json", "lake", 3.0, errors)


def shown(ended: Report, *, dry_run: bool = False) -> list[str]:
    stream = io.StringIO()
    show_report(ended, Console(file=stream, width=200), dry_run=dry_run)
    return stream.getvalue().splitlines()


def test_the_table_has_one_line_per_entity_type_and_a_total() -> None:
    """Columns that say nothing are left out; the seconds of the total are those of the run."""
    table = closing_table([outcome(), outcome("users", rows=10)], 3.0)

    assert plain_lines(table) == [
        "entity type   rows  pages    MB  seconds  verdict",
        "devices      2,000      1  12.3      2.0  complete",
        "users           10      1  12.3      2.0  complete",
        "--------------------------------------------------",
        "total        2,010      2  24.6      3.0",
    ]


def test_rescued_values_dead_letters_and_reasons_are_shown_where_there_are_any() -> None:
    """Numbers are in the table, and words below it, however long they are."""
    drifted = replace(outcome(verdict="drifted"), rescued_values=12, dead_letters=1, missing=3, reason="7 counted")
    table = closing_table([drifted], 3.0)

    assert table.titles[-3:] == ("rescued", "dead letters", "verdict")
    assert table.rows[0][-3:] == ("12", "1", "drifted")
    bad, error = failed("users", BadAnswer("the server's words " * 20, host="h"))
    lines = shown(report(drifted, bad, errors=(error,)))
    assert "devices: 7 counted; 3 missing" in lines
    assert [line for line in lines if len(line) > 100] == [f"users: {bad.reason}".strip()]


def test_the_end_says_where_dead_letters_lie() -> None:
    """Each entity type that has some has a line with its file, below the table."""
    lines = shown(report(replace(outcome(), dead_letters=2), outcome("users"), verdict="partial"))

    assert lines[-3] == "2 dead letters of prod/devices: lake/_axsync/runs/r1/dead_letters/prod.devices.jsonl"
    assert sum("_axsync/runs" in line for line in lines) == 1


def test_dead_letters_of_many_entity_types_share_a_line() -> None:
    """Their folder is enough to find them."""
    lines = shown(report(*(replace(outcome(f"type{i}"), dead_letters=1) for i in range(5)), verdict="partial"))

    assert lines[-3] == "5 dead letters of 5 entity types: lake/_axsync/runs/r1/dead_letters/"


def test_the_json_report_says_where_dead_letters_lie() -> None:
    """The path is relative to the lake, as that of the manifest is, and null where there are none."""
    ended = report(replace(outcome(), dead_letters=2), outcome("users"), verdict="partial")
    lanes = json.loads(report_json(ended, dry_run=False))["lanes"]

    assert [lane["dead_letters_path"] for lane in lanes] == ["_axsync/runs/r1/dead_letters/prod.devices.jsonl", None]


def test_several_instances_are_named() -> None:
    """With two of them, the first column says which."""
    table = closing_table([outcome(), outcome(instance="test")], 3.0)

    assert [row[0] for row in table.rows] == ["prod", "test"]


def test_many_skipped_entity_types_share_a_line() -> None:
    """Their names are listed, by reason, and the table stays short."""
    skipped = [Outcome(Lane("prod", f"type{i}"), "skipped", f"forbidden: no type{i} for you") for i in range(5)]
    lines = shown(report(outcome(), *skipped))

    assert "skipped (forbidden): type0, type1, type2, type3, type4" in lines
    assert not any(line.startswith("type0") for line in lines)


def test_few_skipped_entity_types_have_their_own_lines() -> None:
    """In the table, and with their reasons below it."""
    lines = shown(report(outcome(), Outcome(Lane("prod", "users"), "skipped", "forbidden")))

    assert any(line.split() == ["users", "skipped"] for line in lines)
    assert "users: forbidden" in lines


def test_the_end_says_where_the_lake_is_and_what_to_try() -> None:
    """Rows of the entity type that has the most, with a command that is there."""
    lines = shown(report(outcome(), outcome("users", rows=9000)))

    assert lines[-2:] == [
        "complete: lake, 2 files, run r1",
        "try: axsync head users --lake lake",
    ]


def test_nothing_published_is_said() -> None:
    """Without a manifest the lake is as before."""
    lines = shown(replace(report(), manifest=None))

    assert lines[-1] == "nothing was published; lake is unchanged"


def test_a_dry_run_shows_counts() -> None:
    """What would be read, and that nothing was written."""
    counted = Outcome(Lane("prod", "devices"), "skipped", "dry run", count_before=41_873)
    lines = shown(replace(report(counted, verdict="skipped"), manifest=None), dry_run=True)

    assert any(line.split() == ["devices", "41,873"] for line in lines)
    assert lines[-1] == "dry run: nothing was written"


def test_a_look_can_be_pasted_whatever_the_lake_is_called() -> None:
    """A shell takes its name as one word, and obeys nothing in it."""
    look = first_look(replace(report(outcome()), lake="o'lake; $(x)"))

    assert look is not None
    assert shlex.split(look) == ["axsync", "head", "devices", "--lake", "o'lake; $(x)"]


def test_a_look_at_an_older_date_names_the_run() -> None:
    """`latest` is another one."""
    assert first_look(replace(report(outcome()), latest=False)) == "axsync head devices --run r1 --lake lake"


@pytest.mark.parametrize(("verdict", "code"), [("complete", 0), ("drifted", 3), ("partial", 3)])
def test_the_verdict_decides_the_exit_code(verdict: str, code: int) -> None:
    """0 only for a complete run."""
    assert exit_code(report(outcome(), verdict=verdict), dry_run=False) == code


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([Refused("no", host="h", status=401)] * 1, 4),
        ([Unreachable("down", host="h"), Unreachable("down", host="h")], 75),
        ([GuardRefused("fell")], 5),
        ([BadAnswer("html", host="h")], 1),
        ([Refused("no", host="h", status=401), Unreachable("down", host="h")], 1),
    ],
)
def test_when_all_entity_types_failed_their_reason_decides(errors: list[AxsyncError], code: int) -> None:
    """One reason speaks for all; several come to plain failure."""
    pairs = [failed(f"type{i}", error) for i, error in enumerate(errors)]
    ended = report(*(o for o, _ in pairs), verdict="partial", errors=tuple(e for _, e in pairs))

    assert exit_code(ended, dry_run=False) == code


def test_one_failure_among_successes_is_partial() -> None:
    """The others were published."""
    bad, error = failed("users", Unreachable("down", host="h"))

    assert exit_code(report(outcome(), bad, verdict="partial", errors=(error,)), dry_run=False) == 3


def test_a_run_that_published_nothing_is_no_success() -> None:
    """Everything skipped is neither 0 nor 3, which is for what was published; a dry run is 0."""
    skipped = Outcome(Lane("prod", "users"), "skipped", "forbidden")
    ended = replace(report(skipped, verdict="skipped"), manifest=None)

    assert exit_code(ended, dry_run=False) == 1
    assert exit_code(ended, dry_run=True) == 0
    late, error = failed("devices", OutOfTime("the 5 minutes are over"))
    assert exit_code(replace(report(skipped, late, errors=(error,)), manifest=None), dry_run=False) == 1


def test_errors_are_explained_with_their_lanes() -> None:
    """What failed, where, and what to try."""
    bad, error = failed("users", Unreachable("h did not answer in time", host="h"))
    stream = io.StringIO()
    show_errors(report(bad, errors=(error,)), Console(file=stream, width=200))

    assert stream.getvalue().startswith("error: prod/users: h did not answer in time\n  advice: Retry later.")


def test_the_json_report_is_one_ascii_document() -> None:
    """Machines get the numbers and the words; terminals nothing to obey."""
    bad, error = failed("users", Unreachable("h \x1b[31mdown\x9b", host="h"))
    text = report_json(report(outcome(), bad, verdict="partial", errors=(error,)), dry_run=False)
    document = json.loads(text)

    assert text.isascii()
    assert "\x1b" not in text
    assert (document["verdict"], document["exit_code"], document["lanes"][0]["rows"]) == ("partial", 3, 2000)
    assert document["errors"][0]["where"] == ["prod/users"]


def test_many_instances_have_a_line_each_and_fit_a_screen() -> None:
    """The worst come first, and what they are short of; the others share a line."""
    outcomes = [outcome(entity, instance=f"t{n:03}") for n in range(200) for entity in ("devices", "users")]
    outcomes[201] = replace(outcomes[201], verdict="failed", rows=0, reason="no answer")
    lines = shown(report(*outcomes, verdict="partial"))

    assert len(lines) < 40
    assert lines[1].split() == ["t100", "2", "2,000", "2", "24.6", "2.0", "1", "failed,", "1", "complete"]
    assert lines[2].split()[0] == "t000"
    assert "175 others" in "\n".join(lines)
    assert "total: 200" in "\n".join(lines)
    assert "t100/users: no answer" in lines


def test_remarks_about_many_instances_are_cut() -> None:
    """They say where all of them are."""
    lines = shown(report(*(replace(outcome(instance=f"t{n}"), reason=f"reason {n}") for n in range(20))))

    assert sum("reason" in line for line in lines) == 12
    assert any(line.startswith("8 remarks more") for line in lines)
