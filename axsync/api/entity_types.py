"""Entity types that axsync knows by itself, and what people call them.

A title is the name of the product's page, which is not the slug of its API.
"""

KNOWN_ENTITIES: tuple[str, ...] = (
    "devices", "users", "vulnerabilities", "vulnerability_instances", "vulnerabilities_repository", "software",
    "compute_services", "databases", "containers", "serverless_functions", "compute_images", "configurations",
    "groups", "security_roles", "organizational_units", "accounts", "certificates", "permissions", "latest_rules",
    "profiles", "job_titles", "access_review_campaign_instances", "access_review_approval_items", "networks",
    "load_balancers", "network_services", "network_devices", "firewalls", "nat_rules", "network_routes",
    "object_storages", "file_systems", "disks", "saas_applications", "business_applications",
    "application_settings", "licenses", "expenses", "admin_managed_extensions", "user_initiated_extensions",
    "application_addons", "admin_managed_extension_instances", "user_initiated_extension_instances",
    "application_addon_instances", "application_keys", "application_resources", "application_services",
    "audit_activities", "urls", "secrets", "alert_findings", "incidents", "tickets", "cases",
    "discovered_saas_applications", "resources", "manual_software", "managed_users", "extensions",
    "user_extensions", "repositories", "global_variables", "security_findings",
    "findings", "processes", "applications", "cloud_security_exposures", "repository_vulnerabilities", "rules",
    "clusters", "audits", "compliance_findings", "contracts", "iot", "iomt", "ot", "network_inspectors",
    "latest_devices",
)  # fmt: skip
"""Slugs seen in public material, the last fifteen in version 8.0. They are tried where a server cannot list its own,
and where somebody names one; see docs/axonius-api.md, "Asset types"."""

PAGE_TITLES = {"vulnerability_instances": "Security Findings", "vulnerabilities": "Aggregated Security Findings"}
"""Pages that version 8.0 calls otherwise, while the slugs stayed: see docs/axonius-api.md, "Asset types"."""

SPELLED = {"saas": "SaaS", "iot": "IoT", "iomt": "IoMT", "ot": "OT", "nat": "NAT", "urls": "URLs"}
"""Words that are not written with one capital letter."""


def title_of(slug: str, told: str = "") -> str:
    """The title of an entity type: what the server told, else the product's own word for it, else made of the slug."""
    return told.strip() or PAGE_TITLES.get(slug) or " ".join(_spelled(word) for word in slug.split("_"))


def _spelled(word: str) -> str:
    return SPELLED.get(word, word.capitalize())
