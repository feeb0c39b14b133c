"""Fields that no catalogue lists: which of them a refusal names, and which no page has shown."""

import pytest

from axsync.runs.lane_schema import Unlisted
from axsync.schema.columns import Field
from axsync.schema.kinds import Atom
from axsync.schema.selection import Selection

LABEL, CVES = "specific_data.connection_label", "specific_data.data.software_cves.cve_id_count"
HOST, IPS = "specific_data.data.hostname", "specific_data.data.network_interfaces.ips_preferred"
FIELDS = (HOST, LABEL, CVES, IPS)
SELECTION = Selection(
    tuple(Field(name, Atom("unknown")) for name in FIELDS),
    unlisted=frozenset({LABEL, CVES}),
    optional=frozenset({IPS}),
)


def settled() -> Unlisted:
    unlisted = Unlisted()
    unlisted.settle(SELECTION)
    return unlisted


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (f"unknown field {LABEL}", [LABEL]),
        (f"{LABEL}: not a field", [LABEL]),
        (f"{LABEL}.", [LABEL]),
        (f'fields: ["{LABEL}", "{IPS}"]', [LABEL, IPS]),
        ("unknown field 'software_cves.cve_id_count'", [CVES]),
        ("unknown field software_cves.cve_id_count", []),
        (f"unknown field {HOST}", []),
        (f"unknown field {LABEL}_preferred", []),
        (f"unknown field {LABEL}.more", []),
        (f"unknown field x.{LABEL}", []),
        ("invalid AQL", []),
        ("", []),
    ],
)
def test_a_refusal_names_a_field_or_not(words: str, named: list[str]) -> None:
    """By its whole full name, or in quotes without the prefix; fields that a catalogue lists are never left out."""
    assert settled().named_in(words, FIELDS) == named


def test_a_refusal_counts_for_pages_that_are_under_way() -> None:
    """A second page with the same fields names it again; one that asked without it does not."""
    unlisted = settled()
    unlisted.named_in(f"no {LABEL}", FIELDS)

    assert unlisted.named_in(f"no {LABEL}", FIELDS) == [LABEL]
    assert unlisted.named_in(f"no {LABEL}", (HOST, CVES)) == []


def test_what_was_refused_is_not_asked_for_again() -> None:
    """A lane that begins anew selects the same fields, but for these; they are not called never served either."""
    unlisted = settled()
    unlisted.named_in(f"no {LABEL}, no {IPS}", FIELDS)

    again = unlisted.settle(SELECTION)

    assert again.names == (HOST, CVES)
    assert again.unlisted == {CVES}
    assert again.optional == frozenset()
    unlisted.look(b"{}", {})
    assert unlisted.never_served() == [CVES]


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (f'{{"{LABEL}": "a", "{CVES}":7}}', []),
        (f'{{"{LABEL}" : null}}', [CVES]),
        ('{"software_cves.cve_id_count": 7}', [LABEL]),
        (f'{{"x": "{LABEL}"}}', [LABEL, CVES]),
        (f'{{"x": "\\"{LABEL}\\": 1"}}', [LABEL, CVES]),
        (f'{{"{LABEL}_details": 1}}', [LABEL, CVES]),
        ("", [LABEL, CVES]),
    ],
)
def test_a_key_of_a_page_is_what_shows_a_field(body: str, missing: list[str]) -> None:
    """In full, or as this server shortens it; a text with these words is no key."""
    unlisted = settled()
    unlisted.look(body.encode(), {CVES: "software_cves.cve_id_count"})

    assert unlisted.never_served() == missing


def test_an_escaped_key_is_the_same_key() -> None:
    """Servers may write what is not ASCII either way."""
    name = "adapters_data.esx.Straße"
    for body in (b'{"adapters_data.esx.Stra\\u00dfe":1}', '{"adapters_data.esx.Straße":1}'.encode()):
        unlisted = Unlisted()
        unlisted.settle(Selection((), unlisted=frozenset({name})))
        unlisted.look(body, {})
        assert unlisted.never_served() == []


def test_well_known_fields_that_never_come_are_no_news() -> None:
    """Nobody asked for them by name; and without rows nothing is said of any."""
    unlisted = settled()
    assert unlisted.never_served() == []
    unlisted.look(b"{}", {})

    assert IPS not in unlisted.never_served()
