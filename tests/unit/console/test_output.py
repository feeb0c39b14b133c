import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from axsync.console.output import (
    OutputOptions,
    StatusLine,
    Table,
    narrowed,
    plain_lines,
    print_line,
    print_table,
    shared,
    status_line,
)
from axsync.events import Asking, Notice

TABLE = Table(
    ("entity type", "rows", ""),
    ("left", "right", "left"),
    (("devices", "2,000", ""), ("東京", "5", "")),
    ("total", "2,005", ""),
)


def test_plain_tables_are_aligned_in_columns_of_the_screen() -> None:
    """Numbers end where numbers end, also beside letters that are two columns wide."""
    assert plain_lines(TABLE) == [
        "entity type   rows",
        "devices      2,000",
        "東京             5",
        "------------------",
        "total        2,005",
    ]


def test_empty_columns_can_be_left_out() -> None:
    """A column in which no row says anything goes, with its title and its total."""
    assert TABLE.without_empty().titles == ("entity type", "rows")


def test_a_terminal_gets_a_drawn_table_and_no_escapes_of_others() -> None:
    """Cells are texts, not markup, and cannot speak to the terminal."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, color_system=None)
    print_table(Table(("name",), ("left",), (("[bold]\x1b]0;evil\x07x",),)), console)

    assert "[bold]x" in stream.getvalue()
    assert "─" in stream.getvalue()
    assert "\x1b]" not in stream.getvalue()


@pytest.mark.parametrize("width", [8, 20, 40, 80])
def test_no_number_is_ever_cut(width: int) -> None:
    """A terminal that is too narrow for the table gets lines that run over."""
    stream = io.StringIO()
    print_table(TABLE, Console(file=stream, force_terminal=True, width=width, color_system=None))

    assert "2,000" in stream.getvalue()
    assert "2,005" in stream.getvalue()
    assert "devices" in stream.getvalue()


ID = "0f3c9a5be1d24477a6c0b1e2d3f4a5b6"


def drawn(table: Table, width: int) -> list[str]:
    stream = io.StringIO()
    print_table(table, Console(file=stream, force_terminal=True, width=width, color_system=None))
    return stream.getvalue().splitlines()


def test_words_of_a_drawn_table_are_never_broken() -> None:
    """Notes wrap between words; an id and a name are whole, so that they can be copied."""
    note = "This note is longer than the terminal is wide and has the name specific_data.data.hostname in it."
    lines = drawn(Table(("id", "note"), ("left", "left"), ((ID, note),)), 80)

    assert max(map(len, lines)) <= 80
    assert any(ID in line for line in lines)
    assert any("specific_data.data.hostname" in line for line in lines)


def test_titles_wrap_where_numbers_have_no_room_to_spare() -> None:
    """No column of names is broken for the sake of a title; a table without rows is one of titles."""
    table = Table(("entity type", "rows before"), ("left", "right"), (("vulnerability_instances", "6,000"),))

    assert [line.split() for line in drawn(table, 31)][0::3] == [["rows"], ["vulnerability_instances", "6,000"]]
    assert len(drawn(Table(("a", "b"), ("left", "right"), ()), 40)) == 2


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 60)), min_size=1, max_size=12), st.integers(0, 200))
def test_columns_share_the_room_that_there_is(columns: list[tuple[int, int]], room: int) -> None:
    """Each gets what it needs and no more than it wants; nothing is given out twice, and nothing is kept back."""
    least, wanted = [one for one, _ in columns], [one + more for one, more in columns]
    widths = shared(least, wanted, room)

    assert bool(widths) == (sum(least) <= room)
    if widths:
        assert all(a <= w <= b for a, w, b in zip(least, widths, wanted, strict=True))
        assert sum(widths) <= room
        assert sum(widths) == sum(wanted) or sum(widths) > room - len(widths)


@given(st.integers(1, 40), st.integers(20, 140), st.sampled_from([ID, "x", "lorem ipsum " * 9, '["a", "b"]' * 6]))
def test_columns_are_left_out_in_the_middle(count: int, width: int, cell: str) -> None:
    """What is left fits, whole ids and titles included; the first column stays in any case."""
    titles = tuple(f"column_{number}" for number in range(count))
    table, kept = narrowed(Table(titles, tuple("left" for _ in titles), ((cell,) * count,)), width)

    assert table.titles[0] == titles[0]
    assert (table.titles == titles) == (kept == count)
    assert table.titles.count("…") == (kept < count)
    assert set(table.titles) <= {*titles, "…"}
    if kept > 1:
        assert all(cell_len(line) <= width for line in drawn(table, width))
        assert table.rows[0][0] == ID or cell != ID


def test_lines_are_wrapped_between_words_on_a_terminal_only() -> None:
    """A file gets one line for each; a path that is longer than the terminal stays whole."""
    text = "the report is in a-folder/with-a-name/that-is-longer-than-the-terminal here"
    shown = []
    for terminal in (True, False):
        stream = io.StringIO()
        print_line(text, Console(file=stream, force_terminal=terminal, width=30, color_system=None))
        shown.append(stream.getvalue().splitlines())

    assert shown[0] == ["the report is in", "a-folder/with-a-name/that-is-longer-than-the-terminal", "here"]
    assert shown[1] == [text]


def test_a_status_line_says_what_is_asked_and_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It is cut to the terminal and goes away before a notice."""
    line = StatusLine(OutputOptions(), 30)
    line(Asking("prod", "acme.example", 7, 82))
    line(Notice(None, "a notice"))
    line.clear()

    assert capsys.readouterr().err == "asking prod at acme.example w\r\x1b[Ka notice\n"


def test_without_a_terminal_there_are_notices_only(capsys: pytest.CaptureFixture[str]) -> None:
    """A file of messages has no use for a line that changes."""
    with status_line(OutputOptions()) as line:
        line(Asking("prod", "acme.example", 7, 82))
        line(Notice(None, "a notice"))

    assert capsys.readouterr().err == "a notice\n"
