"""Software, networks, storage, applications and a plain model for types that are not declared."""

from __future__ import annotations

from axsync.emulator.fields import (
    NUMBER,
    SERIAL,
    SUBNET,
    VERSION,
    EntityModel,
    flag,
    real,
    several,
    stamp,
    table,
    text,
    whole,
)
from axsync.emulator.records.vocabulary import MAKERS, OWNERS, PRODUCTS, REMARKS, SITES, TEAMS, VERSIONS, provenance

# The top-level _id (a CPE) of software: docs/axonius-api.md, "Asset types".
SOFTWARE = EntityModel(
    "software",
    (
        *provenance("sw"),
        text("name", *(f"{product} {NUMBER}" for product in PRODUCTS)),
        text("vendor", *MAKERS, share=0.9),
        several(text("versions", *VERSIONS, kind=VERSION, share=0.9), 1, 4),
        whole("devices_count", 0, 9_000),
        flag("is_paid", share=0.4),
        table("eol", (text("version", *VERSIONS), stamp("date", share=0.7)), 1, 2, share=0.3),
    ),
    ("acme_edr_adapter", "corp_ad_adapter", "static_analysis"),
    {"static_analysis": (text("category", "browser", "database"),)},
    most_adapters=2,
    extra=(text("_id", f"cpe:2.3:a:invented:product_{NUMBER}"),),
)

NETWORKS = EntityModel(
    "networks",
    (
        *provenance("net"),
        text("name", f"vpc-{SERIAL}"),
        text("cidr", "10.32.0.0/12", "10.0.0.0/8", kind=SUBNET),
        text("location", *SITES, share=0.7),
        flag("is_default", share=0.6),
        whole("priority", 1, 5, share=0.4),
        table("subnets", (text("cidr", "10.1.0.0/16", kind=SUBNET), whole("free", 0, 65_000)), 1, 3, share=0.6),
    ),
    ("nimbus_adapter", "cumulo_adapter"),
    {"nimbus_adapter": (text("region", "north-1", "south-2"),)},
    most_adapters=1,
)

SAAS_APPLICATIONS = EntityModel(
    "saas_applications",
    (
        *provenance("app"),
        text("name", f"Papercrane {NUMBER}"),
        text("founding_year", "1998", "2011"),
        real("license_cost", 10.5, 90_000.5, share=0.5),
        several(text("department", *TEAMS, share=0.5), 1, 3),
        flag("security_mfa", share=0.7),
    ),
    ("paperclip_sso_adapter", "ledgerly_adapter"),
    {"ledgerly_adapter": (text("contract", f"C-{NUMBER}"),)},
    most_adapters=2,
    labels=("sanctioned", "shadow"),
)

LICENSES = EntityModel(
    "licenses",
    (
        *provenance("lic"),
        text("name", f"Plan {NUMBER}"),
        real("cost", 1.5, 9_000.5),
        whole("seats", 1, 900),
        text("owner", *OWNERS, share=0.5),
    ),
    ("ledgerly_adapter",),
    {"ledgerly_adapter": (stamp("renewal"),)},
    most_adapters=1,
)

DATABASES = EntityModel(
    "databases",
    (
        *provenance("db"),
        text("name", f"db-{NUMBER}"),
        text("engine", "gridbase", "copperline"),
        flag("encrypted", share=0.8),
    ),
    ("nimbus_adapter", "cumulo_adapter"),
    {"nimbus_adapter": (text("endpoint", f"db-{SERIAL}.nimbus.test"),)},
    most_adapters=1,
)

DISKS = EntityModel(
    "disks",
    (
        *provenance("dsk"),
        text("name", f"vol-{SERIAL}", share=0.8),
        whole("size_gb", 1, 16_000),
        real("iops", 100.5, 16_000.5, share=0.5),
        stamp("created"),
    ),
    ("nimbus_adapter",),
    {"nimbus_adapter": (flag("delete_on_termination"),)},
    most_adapters=1,
)


def plain(entity: str) -> EntityModel:
    """A model of simple fields, for any entity type that is not declared."""
    return EntityModel(
        entity,
        (
            *provenance(entity[:3]),
            text("name", f"{entity} {NUMBER}"),
            text("description", *REMARKS, share=0.4),
            whole("count", 0, 900, share=0.6),
            flag("enabled", share=0.7),
        ),
        ("nimbus_adapter", "harborlight_adapter"),
        {"nimbus_adapter": (text("region", "north-1", "south-2"),)},
        most_adapters=2,
    )
