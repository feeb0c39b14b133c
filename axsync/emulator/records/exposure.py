"""Vulnerabilities, their instances on devices, incidents and findings."""

from __future__ import annotations

from axsync.emulator.fields import (
    CVE,
    DEVICE,
    DUE_DATE,
    NUMBER,
    SERIAL,
    VENDOR,
    EntityModel,
    flag,
    real,
    several,
    stamp,
    table,
    text,
    whole,
)
from axsync.emulator.records.vocabulary import (
    MAKERS,
    OWNERS,
    PRODUCTS,
    REMARKS,
    SEVERITIES,
    TEAMS,
    VERSIONS,
    provenance,
)

_TIMES = provenance("vul")[1:]
_WEAKNESS = (
    text("cve_id", CVE),
    text("cve_severity", *SEVERITIES),
    real("cvss", 0.1, 9.9),
    real("cvss2_score", 0.1, 9.9, share=0.5),
    text("cvss_vector", "AV:N/AC:L/PR:N/UI:R/S:C", "AV:L/AC:H/PR:L/UI:N/S:U", share=0.6),
    flag("is_cve"),
    stamp("last_modified_date", share=0.5),
)

# The echo of cve_id and the missing adapter_list_length: docs/axonius-api.md, "Asset types".
VULNERABILITIES = EntityModel(
    "vulnerabilities",
    (
        text("id", CVE),
        *_TIMES,
        *_WEAKNESS,
        text("cve_description", *REMARKS, share=0.7),
        several(text("software_name", *PRODUCTS, share=0.7), 1, 2),
        several(text("software_vendor", *MAKERS, share=0.7), 1, 2),
        whole("affected_devices", 0, 4_000, share=0.6),
        table("references", (text("url", "https://advisories.test/1", "https://advisories.test/2"),), 1, 2, share=0.4),
    ),
    ("tidewatch_adapter", "acme_edr_adapter", "static_analysis"),
    {"tidewatch_adapter": (whole("plugin", 10_000, 99_999), text("family", "Linux", "Web"))},
    most_adapters=2,
    counted=False,
    echoed=("specific_data.data.cve_id",),
)

VULNERABILITY_INSTANCES = EntityModel(
    "vulnerability_instances",
    (
        text("id", f"{CVE}!{DEVICE}"),
        *_TIMES,
        *_WEAKNESS,
        text("device_internal_axon_id", DEVICE),
        text("associated_asset_type", "devices"),
        text("software_name", *PRODUCTS, share=0.8),
        text("software_version", *VERSIONS, share=0.7),
        text("solution_hash_id", SERIAL, share=0.5),
        several(text("tags_from_associated_asset", "tier1", "kiosk", share=0.3), 1, 2),
    ),
    ("tidewatch_adapter", "static_analysis", "epss_enrichment"),
    {"epss_enrichment": (real("probability", 0.01, 0.99),)},
    most_adapters=2,
)

INCIDENTS = EntityModel(
    "incidents",
    (
        *provenance("inc"),
        text("name", f"Incident {NUMBER}"),
        text("status", "open", "in progress", "closed"),
        text("severity", *SEVERITIES),
        real("alert_score", 0.1, 9.9, share=0.8),
        text("details", *REMARKS, share=0.6),
        text("owner", *OWNERS, share=0.5),
        stamp("opened"),
        stamp("closed", share=0.4),
        table("findings", (text("rule", "R-17", "R-204"), whole("hits", 1, 40)), 1, 3, share=0.7),
    ),
    ("acme_edr_adapter", "harborlight_adapter"),
    {"harborlight_adapter": (text("ticket", f"HL-{NUMBER}"),)},
    most_adapters=2,
)

ALERT_FINDINGS = EntityModel(
    "alert_findings",
    (*provenance("alr"), text("alert_id", NUMBER), text("finding_message", *REMARKS), text("severity", *SEVERITIES)),
    ("harborlight_adapter",),
    {"harborlight_adapter": (whole("rule_number", 1, 900),)},
    most_adapters=1,
)

FINDINGS = EntityModel(
    "findings",
    (
        *provenance("fnd"),
        text("name", f"Finding {NUMBER}"),
        text("severity", *SEVERITIES),
        text("status", "open", "accepted", "fixed"),
        stamp("sla.due_date", share=0.8, kind=DUE_DATE),
        text("assignee", *OWNERS, share=0.5),
    ),
    ("harborlight_adapter", "tidewatch_adapter"),
    {"tidewatch_adapter": (whole("plugin", 10_000, 99_999),)},
    most_adapters=2,
)

TICKETS = EntityModel(
    "tickets",
    (
        *provenance("tkt"),
        text("display_id", f"T-{NUMBER}"),
        text("summary", *REMARKS),
        text("priority", "1 - Critical", "2 - High", "4 - Low"),
        text("assignee", *OWNERS, share=0.6),
        text("team", *TEAMS, share=0.5),
        text("vendor", "Harborlight", "Queueworks", share=0.9, kind=VENDOR),
        stamp("created"),
        stamp("resolved", share=0.4),
    ),
    ("harborlight_adapter",),
    {"harborlight_adapter": (flag("escalated"),)},
    most_adapters=1,
)
