"""Users and other identities."""

from __future__ import annotations

from axsync.emulator.fields import (
    ID,
    NUMBER,
    SERIAL,
    TEXTS,
    ComputedField,
    EntityModel,
    distinct_texts,
    flag,
    real,
    several,
    stamp,
    table,
    text,
    whole,
)
from axsync.emulator.records.vocabulary import CUSTOM_FIELDS, LABELS, OWNERS, SITES, TEAMS, provenance

USERS = EntityModel(
    "users",
    (
        *provenance("usr"),
        text("username", f"user{NUMBER}", f"user{NUMBER}@corp.test", preferred=True),
        text("mail", f"user{NUMBER}@corp.test", share=0.9),
        text("display_name", f"Renée User {NUMBER}", f"User {NUMBER}", share=0.7),
        text("first_name", "Renée", "Ola", "Devi", share=0.6),
        text("user_department", *TEAMS, share=0.5),
        text("user_city", *SITES, share=0.3),
        text("user_manager", *OWNERS, share=0.3),
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
        "gui": CUSTOM_FIELDS,
    },
    most_adapters=2,
    labels=LABELS[:4],
    own=(
        ComputedField(
            "specific_data.connection_label",
            TEXTS,
            lambda reported: distinct_texts(reported, "last_fetch_connection_label"),
            listed=False,
        ),
    ),
)

GROUPS = EntityModel(
    "groups",
    (
        *provenance("grp"),
        text("name", f"group {NUMBER}"),
        text("group_type", "security", "mail"),
        whole("members", 0, 400),
    ),
    ("corp_ad_adapter", "paperclip_sso_adapter"),
    {"corp_ad_adapter": (text("scope", "global", "local"),)},
    most_adapters=2,
)

ACCOUNTS = EntityModel(
    "accounts",
    (
        *provenance("acc"),
        text("name", f"account {NUMBER}"),
        text("account_id", f"7{NUMBER}"),
        several(text("domains", "corp.test", "lab.test", share=0.7), 1, 2),
        flag("is_root", share=0.5),
    ),
    ("nimbus_adapter",),
    {"nimbus_adapter": (text("organization", *TEAMS),)},
    most_adapters=1,
)

CERTIFICATES = EntityModel(
    "certificates",
    (
        *provenance("crt"),
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
