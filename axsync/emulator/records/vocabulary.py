"""Columns and words that several models share; all invented."""

from __future__ import annotations

from axsync.emulator.fields import DATE, NUMBER, SEEN, FieldSpec, flag, stamp, text

SITES = ("Bergen", "Porto", "Graz", "Leuven", "Turku", "Galway", "Nantes", "Zadar")
TEAMS = ("Finance", "Research", "Logistics", "People", "Platform", "Sales", "Légal", "Bürodienste")
OWNERS = ("ines.moreau", "tom.akers", "yuki.hara", "ola.berg", "rosa.lima", "devi.rao", "jan.novak")
MAKERS = ("Quillon", "Nordwerk", "Halcyon Systems", "Peregrine", "Tamsin & Sons", "Kōjō")
PRODUCTS = ("tidepool", "lantern-agent", "gridbase", "papercrane", "owlet vpn", "sealight", "copperline", "mistral ide")
VERSIONS = ("1.4.2", "2.0.17", "10.1", "3.9.1-rc2", "21.06", "0.8.44", "115.3.0")
SEVERITIES = ("NONE", "LOW", "MEDIUM", "HIGH", "CRITICAL")
CONNECTIONS = ("main", "emea", "lab", "acquired 2024")
LABELS = ("tier1", "tier2", "server", "kiosk", "quarantine", "owner: unknown", "crown-jewel", "β-ring")
REMARKS = (
    "checked by hand after the spring move; cable trunk B2 is not documented",
    'see change 4471, then the note on "late" agents',
    "50% of the fans were replaced\nand the rest will follow",
    "übernommen aus dem alten Bestand – nicht löschen",
)

# Custom fields, the same for every entity type that has any.
CUSTOM_FIELDS = (
    text("custom_site", *SITES, share=0.8),
    text("custom_business_unit", *TEAMS, share=0.7),
    text("custom_owner", *OWNERS, share=0.6),
)


def provenance(prefix: str) -> tuple[FieldSpec, ...]:
    """The fields that every adapter reports about every asset."""
    return (
        text("id", f"{prefix}-{NUMBER}", f"{prefix}/{NUMBER}"),
        stamp("fetch_time"),
        stamp("first_fetch_time"),
        stamp("last_fetch", share=0.6),
        text("last_seen", SEEN, kind=DATE, preferred=True),
        stamp("first_seen", share=0.8),
        flag("from_last_fetch", share=0.9),
        flag("is_latest_last_seen", share=0.7),
        text("last_fetch_connection_label", *CONNECTIONS, share=0.9),
        text("axonius_instance_name", "Primary", "node-2"),
    )
