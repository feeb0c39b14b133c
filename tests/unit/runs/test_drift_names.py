"""The names under which the drift of a lane is counted."""

from axsync.runs.lane_writer import LONGEST_NAME, MOST_STRAYS, OTHERS, DriftNames


def test_names_without_a_column_are_bounded() -> None:
    """The first ones keep their names, all others are counted together, and no value is lost on the way."""
    names = DriftNames(frozenset())
    pages = [names.counted({f"stray {page} {n}": (2, "number") for n in range(100)}) for page in range(30)]

    told = {name for page in pages for name in page}

    assert len(told) == MOST_STRAYS + 1
    assert sum(count for page in pages for count, _ in page.values()) == 30 * 100 * 2
    assert pages[-1] == {OTHERS: (200, "number")}
    assert names.counted({"stray 0 0": (1, "string")}) == {"stray 0 0": (1, "string")}


def test_fields_with_columns_are_always_named() -> None:
    """However many strange keys came before; `max_columns` bounds them."""
    names = DriftNames(frozenset(("cvss",)))
    names.counted({f"stray {n}": (1, "number") for n in range(2 * MOST_STRAYS)})

    assert names.counted({"cvss": (3, "string"), "x": (1, "number")}) == {"cvss": (3, "string"), OTHERS: (1, "number")}


def test_a_name_without_end_is_not_kept() -> None:
    """A key may be as long as a page."""
    assert DriftNames(frozenset()).counted({"x" * (LONGEST_NAME + 1): (1, "null")}) == {OTHERS: (1, "null")}


def test_a_resumed_lane_goes_on_with_the_names_that_it_had() -> None:
    """What was counted before counts towards the bound."""
    names = DriftNames(frozenset(("cvss",)))
    names.counted({OTHERS: (9, "number"), "cvss": (1, "string")} | {f"s{n}": (1, "number") for n in range(MOST_STRAYS)})

    assert len(names.counted({f"s{n}": (1, "number") for n in range(MOST_STRAYS)})) == MOST_STRAYS
    assert names.counted({"new": (1, "null")}) == {OTHERS: (1, "null")}
