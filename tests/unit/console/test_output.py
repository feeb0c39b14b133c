import io

import pytest
from rich.console import Console

from axsync.console.output import Table, plain_lines, print_table

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
