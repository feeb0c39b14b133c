"""Rows that are asked for by their ids."""

from axsync.api import Question
from axsync.runs.reconcile import by_ids


def test_ids_replace_the_selection() -> None:
    """The query, or the saved one by name or id: a server refuses two of them. Fields and day stay."""
    for chosen in (
        Question("devices", ("a",), query="q", history="2026-11-22"),
        Question("devices", ("a",), saved_query="Servers", saved_query_id="5f", history="2026-11-22"),
    ):
        assert by_ids(chosen, ["x", "y"]) == Question(
            "devices", ("a",), query='("internal_axon_id" in ["x","y"])', history="2026-11-22"
        )
