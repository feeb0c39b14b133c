"""Devices: wide records with nested lists."""

from __future__ import annotations

from axsync.emulator.fields import (
    ADDRESS,
    CHOSEN_ADDRESSES,
    CVE,
    IP,
    IP_RAW,
    MAC,
    NUMBER,
    SERIAL,
    SUBNET,
    TEXTS,
    VERSION,
    WHOLE,
    ComputedField,
    EntityModel,
    FieldSpec,
    distinct_texts,
    flag,
    real,
    several,
    stamp,
    table,
    text,
    whole,
)
from axsync.emulator.records.vocabulary import (
    CONNECTIONS,
    CUSTOM_FIELDS,
    LABELS,
    MAKERS,
    OWNERS,
    PRODUCTS,
    REMARKS,
    SEVERITIES,
    SITES,
    TEAMS,
    VERSIONS,
    provenance,
)

NAMES = (f"srv-{NUMBER}", f"SRV-{NUMBER}.corp.test", f"kiosk-{NUMBER}.lab.test", f"lt-{NUMBER}")

INTERFACE = (
    text("mac", MAC, "02:00:5e:10:00:01", share=0.95),
    text("name", "eth0", "en1", "wlan0", share=0.8),
    text("manufacturer", *MAKERS, share=0.5),
    several(text("ips", IP, "192.0.2.17", "2001:db8::4:17", kind=ADDRESS), 1, 2),
    several(FieldSpec("ips_raw", WHOLE, lambda rng: rng.choice((IP_RAW, 3221225985, 4294967295))), 1, 2),
    several(text("subnets", "10.0.0.0/8", "10.32.0.0/12", "192.0.2.0/24", kind=SUBNET, share=0.7), 1, 2),
    several(whole("vlans", 1, 4094, share=0.3), 1, 2),
)
SOFTWARE = (
    text("name", *PRODUCTS),
    text("vendor", *MAKERS, share=0.9),
    text("version", *VERSIONS, kind=VERSION, share=0.95),
    text("version_raw", "00000000100000004", "00000000200000000", share=0.6),
    stamp("install_date", share=0.3),
    several(text("vendor_publisher", *MAKERS, share=0.4), 1, 2),
    text("preferred_name", *PRODUCTS, share=0.4),  # a real member, whatever its name suggests
)
WEAKNESS = (
    text("cve_id", CVE, "CVE-2024-90011", "CVE-2025-90417"),
    real("cvss", 0.1, 9.9),
    real("cvss3_score", 0.1, 9.9, share=0.6),
    text("cve_severity", *SEVERITIES),
    text("software_name", *PRODUCTS),
    text("software_version", *VERSIONS, kind=VERSION, share=0.7),
    flag("exploitable", share=0.4),
    stamp("published", share=0.5),
)
DISK = (
    text("path", "/", "/srv", "C:\\", "D:\\"),
    real("total_size", 60.1, 4000.9),
    real("free_size", 0.1, 59.9, share=0.9),
    flag("is_encrypted", share=0.5),
    text("file_system", "ext4", "NTFS", "apfs", share=0.7),
)
PORT = (whole("port_id", 1, 65535), text("protocol", "TCP", "UDP"), text("service_name", "ssh", "https", share=0.6))
ACCOUNT = (text("username", *OWNERS), flag("is_admin", share=0.6), stamp("last_use_date", share=0.4))

COLUMNS = (
    *provenance("dev"),
    text("name", *NAMES, preferred=True),
    text("hostname", *NAMES, share=0.95, preferred=True),
    text("domain", "corp.test", "lab.test", share=0.6),
    text("description", *REMARKS, share=0.2),
    text("device_serial", SERIAL, f"{SERIAL}-B", share=0.8, preferred=True),
    text("device_manufacturer", *MAKERS, share=0.8, preferred=True),
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
    text("last_used_users_label", *OWNERS, share=0.3),
    several(text("last_used_users", *OWNERS, share=0.6), 1, 3),
    several(text("ad_organizational_unit", "Servers", "Kiosks", "Legacy/«Ost»", share=0.3), 1, 2),
    several(text("public_ips", "198.51.100.7", "198.51.100.200", kind=ADDRESS, share=0.3), 1, 2),
    several(whole("vlan_ids", 1, 4094, share=0.2), 1, 3),
    several(stamp("scan_times", share=0.2), 1, 2),
    text("physical_location", *SITES, share=0.4),
    text("department", *TEAMS, share=0.3),
    text("cloud_provider", "nimbus", "cumulo", share=0.3),
    text("cloud_id", f"i-{SERIAL}", share=0.3),
    text("image", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk", share=0.05),
    table("network_interfaces", INTERFACE, 1, 2, share=0.95),
    table("installed_software", SOFTWARE, 1, 4, share=0.6),
    table("software_cves", WEAKNESS, 1, 3, share=0.5),
    table("hard_drives", DISK, 1, 2, share=0.5),
    table("open_ports", PORT, 1, 3, share=0.4),
    table("local_admins", ACCOUNT, 1, 2, share=0.3),
    table("tags", (text("tag_key", "env", "team"), text("tag_value", *TEAMS, share=0.9)), 1, 3, share=0.3),
)
SPECIAL = {
    "acme_edr_adapter": (
        text("agent_uuid", f"edr-{SERIAL}"),
        text("agent_version", *VERSIONS, kind=VERSION),
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
    "gui": CUSTOM_FIELDS,
}
_INTERFACES, _WEAKNESSES, _PORTS = (
    f"specific_data.data.{name}" for name in ("network_interfaces", "software_cves", "open_ports")
)
OWN = (
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
DEVICES = EntityModel(
    "devices",
    COLUMNS,
    ("acme_edr_adapter", "corp_ad_adapter", "nimbus_adapter", "tidewatch_adapter", "geo_enrichment"),
    SPECIAL,
    most_adapters=4,
    labels=LABELS,
    own=OWN,
)
TWIN_LABELS = several(text("labels", *CONNECTIONS, share=0.5), 1, 2)
