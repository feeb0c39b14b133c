"""The families of records, one per entity type."""

from __future__ import annotations

from dataclasses import replace

from axsync.emulator.columns import Family
from axsync.emulator.records.devices import DEVICES, TWIN_LABELS
from axsync.emulator.records.estate import DATABASES, DISKS, LICENSES, NETWORKS, SAAS_APPLICATIONS, SOFTWARE, plain
from axsync.emulator.records.exposure import (
    ALERT_FINDINGS,
    FINDINGS,
    INCIDENTS,
    TICKETS,
    VULNERABILITIES,
    VULNERABILITY_INSTANCES,
)
from axsync.emulator.records.users import ACCOUNTS, CERTIFICATES, GROUPS, USERS

_FAMILIES = {
    family.entity: family
    for family in (
        DEVICES,
        USERS,
        VULNERABILITIES,
        VULNERABILITY_INSTANCES,
        SOFTWARE,
        NETWORKS,
        INCIDENTS,
        CERTIFICATES,
        GROUPS,
        ACCOUNTS,
        SAAS_APPLICATIONS,
        LICENSES,
        DATABASES,
        DISKS,
        TICKETS,
        ALERT_FINDINGS,
        FINDINGS,
    )
}


def family_of(entity: str, *, twin_labels: bool = False) -> Family:
    """The family of *entity*; types without their own table get a plain one."""
    family = _FAMILIES.get(entity) or plain(entity)
    if twin_labels and entity == "devices":
        return replace(family, columns=(*family.columns, TWIN_LABELS))
    return family
