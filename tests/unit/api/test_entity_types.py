import pytest

from axsync.api import KNOWN_ENTITIES
from axsync.api.entity_types import title_of


@pytest.mark.parametrize(
    ("slug", "told", "title"),
    [
        ("devices", "", "Devices"),
        ("saas_applications", "", "SaaS Applications"),
        ("iomt", "", "IoMT"),
        ("nat_rules", "", "NAT Rules"),
        ("vulnerability_instances", "", "Security Findings"),
        ("vulnerabilities", "", "Aggregated Security Findings"),
        ("vulnerabilities", "Weaknesses", "Weaknesses"),
        ("devices", "  Machines ", "Machines"),
        ("devices", " ", "Devices"),
    ],
)
def test_a_title_is_the_servers_own_or_made_of_the_slug(slug: str, told: str, title: str) -> None:
    """Two types have one of their own, which their slugs do not tell."""
    assert title_of(slug, told) == title


def test_every_known_type_has_a_title_of_its_own() -> None:
    """Nobody has to guess which of two is meant."""
    titles = {title_of(slug) for slug in KNOWN_ENTITIES}

    # One slug, seen in a single test of somebody's, has the name that version 8.0 gives to another type.
    assert len(titles) == len(KNOWN_ENTITIES) - 1
    assert title_of("security_findings") == title_of("vulnerability_instances")


def test_types_are_known_once() -> None:
    """Seventy-eight, the fifteen of version 8.0 among them."""
    new = (
        "findings processes applications cloud_security_exposures repository_vulnerabilities rules clusters audits "
        "compliance_findings contracts iot iomt ot network_inspectors latest_devices"
    )

    assert len(KNOWN_ENTITIES) == len(set(KNOWN_ENTITIES)) == 78
    assert set(new.split()) <= set(KNOWN_ENTITIES)
