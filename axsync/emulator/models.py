"""The models of records, one per entity type: what an invented Axonius holds.

A model names the fields of the records, how the value of one adapter is drawn, and which adapters there are. Below the
functions that choose and scale models stand the declared ones, with the words that they share. Everything is invented.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from random import Random

from axsync.emulator.fields import (
    ADDRESS,
    AGGREGATED,
    CHOSEN_ADDRESSES,
    CVE,
    DATE,
    DEVICE,
    DUE_DATE,
    ID,
    IP,
    IP_RAW,
    MAC,
    NUMBER,
    SEEN,
    SERIAL,
    SUBNET,
    TEXTS,
    VENDOR,
    VERSION,
    WHOLE,
    ComputedField,
    EntityModel,
    FieldSpec,
    Json,
    distinct_texts,
    flag,
    real,
    several,
    stamp,
    table,
    text,
    whole,
)
from axsync.emulator.options import Options
from axsync.emulator.recorded_shapes import recorded

_MODELS_KEPT = 256
_ADDED_SHARE = 0.5  # of the records with the adapter of an added field that have the field


def entity_models(options: Options) -> dict[str, EntityModel]:
    """The model of each offered entity type."""
    return {entity: _model(entity, options) for entity in options.offered()}


def _model(entity: str, options: Options) -> EntityModel:
    if options.like is not None and entity in options.like.entities:
        return recorded(entity, options.like.entities[entity])
    return _declared(entity, twin_labels=options.twin_labels, bulk=options.bulk, more_fields=options.more_fields)


@lru_cache(maxsize=_MODELS_KEPT)
def _declared(entity: str, *, twin_labels: bool, bulk: float, more_fields: int) -> EntityModel:
    # The same object for the same options: its samples are drawn once for all emulators of a process.
    model = model_of(entity, twin_labels=twin_labels)
    return _with_more_fields(_with_longer_tables(model, bulk), more_fields)


def model_of(entity: str, *, twin_labels: bool = False) -> EntityModel:
    """The model of *entity*; types that are not declared get a plain one."""
    model = _MODELS.get(entity) or _plain(entity)
    if twin_labels and entity == "devices":
        return replace(model, columns=(*model.columns, _TWIN_LABELS))
    return model


def _with_longer_tables(model: EntityModel, times: float) -> EntityModel:
    """The model with tables that are *times* as long on average."""
    if times == 1:
        return model
    columns = tuple(_longer_table(column, times) if column.complex else column for column in model.columns)
    return replace(model, columns=columns)


def _longer_table(table: FieldSpec, times: float) -> FieldSpec:
    def draw(rng: Random) -> list[Json]:
        draws = int(times) + (rng.random() < times % 1)
        return [row for _ in range(max(draws, 1)) for row in table.draw(rng)]

    return replace(table, draw=draw)


def _with_more_fields(model: EntityModel, count: int) -> EntityModel:
    """The model with *count* more adapter-specific fields, distributed evenly over its adapters."""
    special = {name: columns for name, columns in model.special.items() if name in model.adapters}
    added = {
        name: (*columns, *(_added_field(number) for number in range(place, count, len(special))))
        for place, (name, columns) in enumerate(special.items())
    }
    return replace(model, special={**model.special, **added})


def _added_field(number: int) -> FieldSpec:
    name = f"extra_{number:04}"
    choices = (
        text(name, f"value {NUMBER}", "enabled", "a longer remark of one adapter", share=_ADDED_SHARE),
        whole(name, 0, 9_000, share=_ADDED_SHARE),
        flag(name, share=_ADDED_SHARE),
        real(name, 0.5, 99.5, share=_ADDED_SHARE),
        stamp(name, share=_ADDED_SHARE),
        several(text(name, "web", "db", "ssh-in", share=_ADDED_SHARE), 1, 3),
    )
    return choices[number % len(choices)]


def _plain(entity: str) -> EntityModel:
    """A model of simple fields, for any entity type that is not declared."""
    return EntityModel(
        entity,
        (
            *_provenance(entity[:3]),
            text("name", f"{entity} {NUMBER}"),
            text("description", *_REMARKS, share=0.4),
            whole("count", 0, 900, share=0.6),
            flag("enabled", share=0.7),
        ),
        ("nimbus_adapter", "harborlight_adapter"),
        {"nimbus_adapter": (text("region", "north-1", "south-2"),)},
        most_adapters=2,
    )


# --- words and fields that several models share -----------------------------------------------------------------------

_SITES = ("Bergen", "Porto", "Graz", "Leuven", "Turku", "Galway", "Nantes", "Zadar")
_TEAMS = ("Finance", "Research", "Logistics", "People", "Platform", "Sales", "Légal", "Bürodienste")
_OWNERS = ("ines.moreau", "tom.akers", "yuki.hara", "ola.berg", "rosa.lima", "devi.rao", "jan.novak")
_MAKERS = ("Quillon", "Nordwerk", "Halcyon Systems", "Peregrine", "Tamsin & Sons", "Kōjō")
_PRODUCTS = (
    "tidepool",
    "lantern-agent",
    "gridbase",
    "papercrane",
    "owlet vpn",
    "sealight",
    "copperline",
    "mistral ide",
)
_VERSIONS = ("1.4.2", "2.0.17", "10.1", "3.9.1-rc2", "21.06", "0.8.44", "115.3.0")
_SEVERITIES = ("NONE", "LOW", "MEDIUM", "HIGH", "CRITICAL")
_CONNECTIONS = ("main", "emea", "lab", "acquired 2024")
_LABELS = ("tier1", "tier2", "server", "kiosk", "quarantine", "owner: unknown", "crown-jewel", "β-ring")
_REMARKS = (
    "checked by hand after the spring move; cable trunk B2 is not documented",
    'see change 4471, then the note on "late" agents',
    "50% of the fans were replaced\nand the rest will follow",
    "übernommen aus dem alten Bestand – nicht löschen",
)

# Custom fields, the same for every entity type that has any.
_CUSTOM_FIELDS = (
    text("custom_site", *_SITES, share=0.8),
    text("custom_business_unit", *_TEAMS, share=0.7),
    text("custom_owner", *_OWNERS, share=0.6),
)


def _provenance(prefix: str) -> tuple[FieldSpec, ...]:
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
        text("last_fetch_connection_label", *_CONNECTIONS, share=0.9),
        text("axonius_instance_name", "Primary", "node-2"),
    )


# --- devices: wide records with nested lists --------------------------------------------------------------------------

_HOST_NAMES = (f"srv-{NUMBER}", f"SRV-{NUMBER}.corp.test", f"kiosk-{NUMBER}.lab.test", f"lt-{NUMBER}")

_INTERFACE = (
    text("mac", MAC, "02:00:5e:10:00:01", share=0.95),
    text("name", "eth0", "en1", "wlan0", share=0.8),
    text("manufacturer", *_MAKERS, share=0.5),
    several(text("ips", IP, "192.0.2.17", "2001:db8::4:17", kind=ADDRESS), 1, 2),
    several(FieldSpec("ips_raw", WHOLE, lambda rng: rng.choice((IP_RAW, 3221225985, 4294967295))), 1, 2),
    several(text("subnets", "10.0.0.0/8", "10.32.0.0/12", "192.0.2.0/24", kind=SUBNET, share=0.7), 1, 2),
    several(whole("vlans", 1, 4094, share=0.3), 1, 2),
)
_INSTALLED_SOFTWARE = (
    text("name", *_PRODUCTS),
    text("vendor", *_MAKERS, share=0.9),
    text("version", *_VERSIONS, kind=VERSION, share=0.95),
    text("version_raw", "00000000100000004", "00000000200000000", share=0.6),
    stamp("install_date", share=0.3),
    several(text("vendor_publisher", *_MAKERS, share=0.4), 1, 2),
    text("preferred_name", *_PRODUCTS, share=0.4),  # a real member, whatever its name suggests
)
_DEVICE_WEAKNESS = (
    text("cve_id", CVE, "CVE-2024-90011", "CVE-2025-90417"),
    real("cvss", 0.1, 9.9),
    real("cvss3_score", 0.1, 9.9, share=0.6),
    text("cve_severity", *_SEVERITIES),
    text("software_name", *_PRODUCTS),
    text("software_version", *_VERSIONS, kind=VERSION, share=0.7),
    flag("exploitable", share=0.4),
    stamp("published", share=0.5),
)
_HARD_DRIVE = (
    text("path", "/", "/srv", "C:\\", "D:\\"),
    real("total_size", 60.1, 4000.9),
    real("free_size", 0.1, 59.9, share=0.9),
    flag("is_encrypted", share=0.5),
    text("file_system", "ext4", "NTFS", "apfs", share=0.7),
)
_PORT = (whole("port_id", 1, 65535), text("protocol", "TCP", "UDP"), text("service_name", "ssh", "https", share=0.6))
_LOCAL_ADMIN = (text("username", *_OWNERS), flag("is_admin", share=0.6), stamp("last_use_date", share=0.4))

_DEVICE_FIELDS = (
    *_provenance("dev"),
    text("name", *_HOST_NAMES, preferred=True),
    text("hostname", *_HOST_NAMES, share=0.95, preferred=True),
    text("domain", "corp.test", "lab.test", share=0.6),
    text("description", *_REMARKS, share=0.2),
    text("device_serial", SERIAL, f"{SERIAL}-B", share=0.8, preferred=True),
    text("device_manufacturer", *_MAKERS, share=0.8, preferred=True),
    text("device_model", "QX-9", "NW 400", 'Halcyon 7 "slim"', share=0.7, preferred=True),
    text("device_state", "running", "stopped", share=0.4),
    text("os.type", "Linux", "Windows", "macOS", share=0.95, preferred=True),
    text("os.distribution", "Fir 9", "Server 2022", "14.4", share=0.8, preferred=True),
    text("os.build", "20348.2461", "5.14.0-427", share=0.5, kind=VERSION),
    whole("os.major", 5, 22, share=0.6),
    whole("os.bitness", 32, 64, share=0.5),
    text("os.end_of_life.note", "extended support", "none", share=0.1),
    real("total_physical_memory", 1.5, 768.5, share=0.7, preferred=True),
    real("free_physical_memory", 0.1, 32.5, share=0.4),
    whole("total_number_of_cores", 1, 128, share=0.6, preferred=True),
    whole("uptime_seconds", 60, 90_000_000, share=0.4),
    real("risk_score", 0.1, 99.9, share=0.3),
    text("risk_level", "1", "2", "3", share=0.3),
    flag("is_managed", share=0.6),
    flag("is_internet_facing", share=0.3),
    flag("pending_reboot", share=0.3),
    stamp("boot_time", share=0.5),
    stamp("last_scan", share=0.4),
    stamp("warranty_end", share=0.2),
    text("last_used_users_label", *_OWNERS, share=0.3),
    several(text("last_used_users", *_OWNERS, share=0.6), 1, 3),
    several(text("ad_organizational_unit", "Servers", "Kiosks", "Legacy/«Ost»", share=0.3), 1, 2),
    several(text("public_ips", "198.51.100.7", "198.51.100.200", kind=ADDRESS, share=0.3), 1, 2),
    several(whole("vlan_ids", 1, 4094, share=0.2), 1, 3),
    several(stamp("scan_times", share=0.2), 1, 2),
    text("physical_location", *_SITES, share=0.4),
    text("department", *_TEAMS, share=0.3),
    text("cloud_provider", "nimbus", "cumulo", share=0.3),
    text("cloud_id", f"i-{SERIAL}", share=0.3),
    text("image", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk", share=0.05),
    table("network_interfaces", _INTERFACE, 1, 2, share=0.95),
    table("installed_software", _INSTALLED_SOFTWARE, 1, 4, share=0.6),
    table("software_cves", _DEVICE_WEAKNESS, 1, 3, share=0.5),
    table("hard_drives", _HARD_DRIVE, 1, 2, share=0.5),
    table("open_ports", _PORT, 1, 3, share=0.4),
    table("local_admins", _LOCAL_ADMIN, 1, 2, share=0.3),
    table("tags", (text("tag_key", "env", "team"), text("tag_value", *_TEAMS, share=0.9)), 1, 3, share=0.3),
)
_DEVICE_FIELDS_OF_ADAPTERS = {
    "acme_edr_adapter": (
        text("agent_uuid", f"edr-{SERIAL}"),
        text("agent_version", *_VERSIONS, kind=VERSION),
        flag("isolated"),
        table("policies", (text("name", "strict", "lab"), whole("revision", 1, 90)), 1, 2, share=0.6),
    ),
    "corp_ad_adapter": (
        text("distinguished_name", f"CN=SRV-{NUMBER},OU=Servers,DC=corp,DC=test"),
        stamp("password_last_set", share=0.8),
        whole("user_account_control", 512, 4130),
    ),
    "nimbus_adapter": (
        text("region", "north-1", "south-2"),
        real("monthly_cost", 0.5, 900.5, share=0.8),
        several(text("security_groups", "web", "db", "ssh-in"), 1, 2),
    ),
    "tidewatch_adapter": (whole("scan_id", 1, 99_999), stamp("last_auth_scan", share=0.7)),
    "gui": _CUSTOM_FIELDS,
}
_INTERFACES, _WEAKNESSES, _PORTS = (AGGREGATED + name for name in ("network_interfaces", "software_cves", "open_ports"))
_DEVICE_COMPUTED = (
    ComputedField(
        f"{_INTERFACES}.ips_preferred",
        CHOSEN_ADDRESSES,
        lambda reported: distinct_texts(reported, "network_interfaces", "ips")[:2],
    ),
    ComputedField(
        f"{_INTERFACES}.mac_preferred",
        TEXTS,
        lambda reported: distinct_texts(reported, "network_interfaces", "mac")[:1],
    ),
    ComputedField(
        f"{_PORTS}.protocol_count",
        WHOLE,
        lambda reported: len(distinct_texts(reported, "open_ports", "protocol")) or None,
    ),
    ComputedField(
        f"{_WEAKNESSES}.cve_id_count",
        WHOLE,
        lambda reported: len(distinct_texts(reported, "software_cves", "cve_id")) or None,
        listed=False,
    ),
    ComputedField(
        "specific_data.connection_label",
        TEXTS,
        lambda reported: distinct_texts(reported, "last_fetch_connection_label"),
        listed=False,
    ),
)
_DEVICES = EntityModel(
    "devices",
    _DEVICE_FIELDS,
    ("acme_edr_adapter", "corp_ad_adapter", "nimbus_adapter", "tidewatch_adapter", "geo_enrichment"),
    _DEVICE_FIELDS_OF_ADAPTERS,
    most_adapters=4,
    labels=_LABELS,
    own=_DEVICE_COMPUTED,
)
_TWIN_LABELS = several(text("labels", *_CONNECTIONS, share=0.5), 1, 2)

# --- users and other identities ---------------------------------------------------------------------------------------

_USERS = EntityModel(
    "users",
    (
        *_provenance("usr"),
        text("username", f"user{NUMBER}", f"user{NUMBER}@corp.test", preferred=True),
        text("mail", f"user{NUMBER}@corp.test", share=0.9),
        text("display_name", f"Renée User {NUMBER}", f"User {NUMBER}", share=0.7),
        text("first_name", "Renée", "Ola", "Devi", share=0.6),
        text("user_department", *_TEAMS, share=0.5),
        text("user_city", *_SITES, share=0.3),
        text("user_manager", *_OWNERS, share=0.3),
        flag("is_admin", share=0.7),
        flag("account_disabled", share=0.6),
        whole("logon_count", 0, 9_000, share=0.4),
        stamp("last_logon", share=0.5),
        stamp("last_password_change", share=0.4),
        stamp("user_created", share=0.6),
        real("risk_score", 0.1, 99.9, share=0.5),
        several(text("groups", "staff", "vpn", "printer-ops", share=0.4), 1, 3),
        table(
            "associated_devices",
            (text("device_caption", "laptop", "kiosk"), text("device_id", f"d-{SERIAL}"), stamp("last_use", share=0.5)),
            1,
            2,
            share=0.2,
        ),
    ),
    ("corp_ad_adapter", "paperclip_sso_adapter", "nimbus_adapter"),
    {
        "corp_ad_adapter": (text("sid", f"S-1-5-21-77-{NUMBER}"), whole("bad_password_count", 0, 9, share=0.5)),
        "paperclip_sso_adapter": (flag("mfa_enrolled"), text("sso_status", "ACTIVE", "SUSPENDED")),
        "gui": _CUSTOM_FIELDS,
    },
    most_adapters=2,
    labels=_LABELS[:4],
    own=(
        ComputedField(
            "specific_data.connection_label",
            TEXTS,
            lambda reported: distinct_texts(reported, "last_fetch_connection_label"),
            listed=False,
        ),
    ),
)

_GROUPS = EntityModel(
    "groups",
    (
        *_provenance("grp"),
        text("name", f"group {NUMBER}"),
        text("group_type", "security", "mail"),
        whole("members", 0, 400),
    ),
    ("corp_ad_adapter", "paperclip_sso_adapter"),
    {"corp_ad_adapter": (text("scope", "global", "local"),)},
    most_adapters=2,
)

_ACCOUNTS = EntityModel(
    "accounts",
    (
        *_provenance("acc"),
        text("name", f"account {NUMBER}"),
        text("account_id", f"7{NUMBER}"),
        several(text("domains", "corp.test", "lab.test", share=0.7), 1, 2),
        flag("is_root", share=0.5),
    ),
    ("nimbus_adapter",),
    {"nimbus_adapter": (text("organization", *_TEAMS),)},
    most_adapters=1,
)

_CERTIFICATES = EntityModel(
    "certificates",
    (
        *_provenance("crt"),
        text("common_name", f"*.app{NUMBER}.corp.test", f"app{NUMBER}.corp.test"),
        text("serial_number", f"00{SERIAL}77"),
        text("version", "2", "3"),
        text("issuer", "Corp Issuing CA 2", "Lab «R1»"),
        whole("bit_size", 1024, 4096),
        stamp("begins_on"),
        stamp("expires_on"),
        several(text("alternative_names", f"app{NUMBER}.corp.test", "localhost", share=0.7), 1, 3),
        flag("self_signed", share=0.8),
    ),
    ("certwarden_adapter", "nimbus_adapter"),
    {"certwarden_adapter": (text("vault_path", f"kv/crt/{ID}"),)},
    most_adapters=2,
)

# --- vulnerabilities, their instances on devices, incidents, findings -------------------------------------------------

_TIMES_OF_VULNERABILITIES = _provenance("vul")[1:]
_WEAKNESS = (
    text("cve_id", CVE),
    text("cve_severity", *_SEVERITIES),
    real("cvss", 0.1, 9.9),
    real("cvss2_score", 0.1, 9.9, share=0.5),
    text("cvss_vector", "AV:N/AC:L/PR:N/UI:R/S:C", "AV:L/AC:H/PR:L/UI:N/S:U", share=0.6),
    flag("is_cve"),
    stamp("last_modified_date", share=0.5),
)

# The echo of cve_id and the missing adapter_list_length: docs/axonius-api.md, "Asset types".
_VULNERABILITIES = EntityModel(
    "vulnerabilities",
    (
        text("id", CVE),
        *_TIMES_OF_VULNERABILITIES,
        *_WEAKNESS,
        text("cve_description", *_REMARKS, share=0.7),
        several(text("software_name", *_PRODUCTS, share=0.7), 1, 2),
        several(text("software_vendor", *_MAKERS, share=0.7), 1, 2),
        whole("affected_devices", 0, 4_000, share=0.6),
        table("references", (text("url", "https://advisories.test/1", "https://advisories.test/2"),), 1, 2, share=0.4),
    ),
    ("tidewatch_adapter", "acme_edr_adapter", "static_analysis"),
    {"tidewatch_adapter": (whole("plugin", 10_000, 99_999), text("family", "Linux", "Web"))},
    most_adapters=2,
    counted=False,
    echoed=("specific_data.data.cve_id",),
)

_VULNERABILITY_INSTANCES = EntityModel(
    "vulnerability_instances",
    (
        text("id", f"{CVE}!{DEVICE}"),
        *_TIMES_OF_VULNERABILITIES,
        *_WEAKNESS,
        text("device_internal_axon_id", DEVICE),
        text("associated_asset_type", "devices"),
        text("software_name", *_PRODUCTS, share=0.8),
        text("software_version", *_VERSIONS, share=0.7),
        text("solution_hash_id", SERIAL, share=0.5),
        several(text("tags_from_associated_asset", "tier1", "kiosk", share=0.3), 1, 2),
    ),
    ("tidewatch_adapter", "static_analysis", "epss_enrichment"),
    {"epss_enrichment": (real("probability", 0.01, 0.99),)},
    most_adapters=2,
)

_INCIDENTS = EntityModel(
    "incidents",
    (
        *_provenance("inc"),
        text("name", f"Incident {NUMBER}"),
        text("status", "open", "in progress", "closed"),
        text("severity", *_SEVERITIES),
        real("alert_score", 0.1, 9.9, share=0.8),
        text("details", *_REMARKS, share=0.6),
        text("owner", *_OWNERS, share=0.5),
        stamp("opened"),
        stamp("closed", share=0.4),
        table("findings", (text("rule", "R-17", "R-204"), whole("hits", 1, 40)), 1, 3, share=0.7),
    ),
    ("acme_edr_adapter", "harborlight_adapter"),
    {"harborlight_adapter": (text("ticket", f"HL-{NUMBER}"),)},
    most_adapters=2,
)

_ALERT_FINDINGS = EntityModel(
    "alert_findings",
    (*_provenance("alr"), text("alert_id", NUMBER), text("finding_message", *_REMARKS), text("severity", *_SEVERITIES)),
    ("harborlight_adapter",),
    {"harborlight_adapter": (whole("rule_number", 1, 900),)},
    most_adapters=1,
)

_FINDINGS = EntityModel(
    "findings",
    (
        *_provenance("fnd"),
        text("name", f"Finding {NUMBER}"),
        text("severity", *_SEVERITIES),
        text("status", "open", "accepted", "fixed"),
        stamp("sla.due_date", share=0.8, kind=DUE_DATE),
        text("assignee", *_OWNERS, share=0.5),
    ),
    ("harborlight_adapter", "tidewatch_adapter"),
    {"tidewatch_adapter": (whole("plugin", 10_000, 99_999),)},
    most_adapters=2,
)

_TICKETS = EntityModel(
    "tickets",
    (
        *_provenance("tkt"),
        text("display_id", f"T-{NUMBER}"),
        text("summary", *_REMARKS),
        text("priority", "1 - Critical", "2 - High", "4 - Low"),
        text("assignee", *_OWNERS, share=0.6),
        text("team", *_TEAMS, share=0.5),
        text("vendor", "Harborlight", "Queueworks", share=0.9, kind=VENDOR),
        stamp("created"),
        stamp("resolved", share=0.4),
    ),
    ("harborlight_adapter",),
    {"harborlight_adapter": (flag("escalated"),)},
    most_adapters=1,
)

# --- software, networks, storage, applications ------------------------------------------------------------------------

# The top-level _id (a CPE) of software: docs/axonius-api.md, "Asset types".
_SOFTWARE = EntityModel(
    "software",
    (
        *_provenance("sw"),
        text("name", *(f"{product} {NUMBER}" for product in _PRODUCTS)),
        text("vendor", *_MAKERS, share=0.9),
        several(text("versions", *_VERSIONS, kind=VERSION, share=0.9), 1, 4),
        whole("devices_count", 0, 9_000),
        flag("is_paid", share=0.4),
        table("eol", (text("version", *_VERSIONS), stamp("date", share=0.7)), 1, 2, share=0.3),
    ),
    ("acme_edr_adapter", "corp_ad_adapter", "static_analysis"),
    {"static_analysis": (text("category", "browser", "database"),)},
    most_adapters=2,
    extra=(text("_id", f"cpe:2.3:a:invented:product_{NUMBER}"),),
)

_NETWORKS = EntityModel(
    "networks",
    (
        *_provenance("net"),
        text("name", f"vpc-{SERIAL}"),
        text("cidr", "10.32.0.0/12", "10.0.0.0/8", kind=SUBNET),
        text("location", *_SITES, share=0.7),
        flag("is_default", share=0.6),
        whole("priority", 1, 5, share=0.4),
        table("subnets", (text("cidr", "10.1.0.0/16", kind=SUBNET), whole("free", 0, 65_000)), 1, 3, share=0.6),
    ),
    ("nimbus_adapter", "cumulo_adapter"),
    {"nimbus_adapter": (text("region", "north-1", "south-2"),)},
    most_adapters=1,
)

_SAAS_APPLICATIONS = EntityModel(
    "saas_applications",
    (
        *_provenance("app"),
        text("name", f"Papercrane {NUMBER}"),
        text("founding_year", "1998", "2011"),
        real("license_cost", 10.5, 90_000.5, share=0.5),
        several(text("department", *_TEAMS, share=0.5), 1, 3),
        flag("security_mfa", share=0.7),
    ),
    ("paperclip_sso_adapter", "ledgerly_adapter"),
    {"ledgerly_adapter": (text("contract", f"C-{NUMBER}"),)},
    most_adapters=2,
    labels=("sanctioned", "shadow"),
)

_LICENSES = EntityModel(
    "licenses",
    (
        *_provenance("lic"),
        text("name", f"Plan {NUMBER}"),
        real("cost", 1.5, 9_000.5),
        whole("seats", 1, 900),
        text("owner", *_OWNERS, share=0.5),
    ),
    ("ledgerly_adapter",),
    {"ledgerly_adapter": (stamp("renewal"),)},
    most_adapters=1,
)

_DATABASES = EntityModel(
    "databases",
    (
        *_provenance("db"),
        text("name", f"db-{NUMBER}"),
        text("engine", "gridbase", "copperline"),
        flag("encrypted", share=0.8),
    ),
    ("nimbus_adapter", "cumulo_adapter"),
    {"nimbus_adapter": (text("endpoint", f"db-{SERIAL}.nimbus.test"),)},
    most_adapters=1,
)

_DISKS = EntityModel(
    "disks",
    (
        *_provenance("dsk"),
        text("name", f"vol-{SERIAL}", share=0.8),
        whole("size_gb", 1, 16_000),
        real("iops", 100.5, 16_000.5, share=0.5),
        stamp("created"),
    ),
    ("nimbus_adapter",),
    {"nimbus_adapter": (flag("delete_on_termination"),)},
    most_adapters=1,
)

_MODELS = {
    model.entity: model
    for model in (
        _DEVICES,
        _USERS,
        _VULNERABILITIES,
        _VULNERABILITY_INSTANCES,
        _SOFTWARE,
        _NETWORKS,
        _INCIDENTS,
        _CERTIFICATES,
        _GROUPS,
        _ACCOUNTS,
        _SAAS_APPLICATIONS,
        _LICENSES,
        _DATABASES,
        _DISKS,
        _TICKETS,
        _ALERT_FINDINGS,
        _FINDINGS,
    )
}
