"""The models of records, one per entity type."""

from __future__ import annotations

from dataclasses import replace

from axsync.emulator.fields import EntityModel
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

_MODELS = {
    model.entity: model
    for model in (
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


def model_of(entity: str, *, twin_labels: bool = False) -> EntityModel:
    """The model of *entity*; types that are not declared get a plain one."""
    model = _MODELS.get(entity) or plain(entity)
    if twin_labels and entity == "devices":
        return replace(model, columns=(*model.columns, TWIN_LABELS))
    return model
