"""The two generations of the API as modules of functions that satisfy one protocol. No I/O."""

from typing import Literal, Protocol

from axsync.api import v1, v2
from axsync.api.queries import QueriesPage, SavedQuery
from axsync.api.question import ALSO_DETAILED, DETAILS, Dialect, KeyStyle, Question, short_key
from axsync.api.system import SYSTEM_TABLES, Listing, is_system, table_fields
from axsync.model import Generation, Page, Reply, Request, Window
from axsync.schema.fields import Field

__all__ = [
    "ALSO_DETAILED",
    "DETAILS",
    "GENERATIONS",
    "KNOWN_ENTITIES",
    "SYSTEM_TABLES",
    "Api",
    "Dialect",
    "KeyStyle",
    "Listing",
    "QueriesPage",
    "Question",
    "SavedQuery",
    "is_system",
    "short_key",
    "table_fields",
]


class Api(Protocol):
    """How a generation asks and answers; a module is an implementation."""

    GENERATION: Generation
    ROWS_KEY: Literal["assets", "data"]
    FIRST_TOKEN: str | None  # of a walk by tokens
    TOKENS_SURVIVE: bool  # whether a walk by tokens can be resumed by another process
    NAMES_QUERIES: bool  # whether a saved query can be asked for by name or id
    SYSTEM: dict[str, Listing]  # administrators' table → how it is listed

    def about_request(self) -> Request: ...
    def read_about(self, reply: Reply, host: str) -> str | None: ...
    def discovery_request(self) -> Request: ...
    def read_discovery(self, reply: Reply, host: str) -> str | None: ...
    def entities_request(self) -> Request | None: ...
    def read_entities(self, reply: Reply, host: str) -> dict[str, str]: ...
    def fields_request(self, entity: str) -> Request: ...
    def read_fields(self, reply: Reply, host: str) -> tuple[Field, ...]: ...
    def count_request(self, question: Question, dialect: Dialect, poll: str) -> Request: ...
    def read_count(self, reply: Reply, host: str) -> int | None: ...
    def page_request(self, question: Question, dialect: Dialect, window: Window) -> Request: ...
    def read_page(self, window: Window, reply: Reply, host: str) -> Page: ...
    def history_key(self, day: str, stamp: str) -> str: ...
    def refused_key(self, words: str) -> str | None: ...
    def queries_request(self, offset: int, limit: int) -> Request: ...
    def read_queries(self, reply: Reply, host: str) -> QueriesPage: ...
    def system_request(self, table: str, window: Window) -> Request: ...
    def read_system(self, question: Question, window: Window, reply: Reply, host: str) -> Page: ...


GENERATIONS: dict[Generation, Api] = {"v2": v2, "v1": v1}
"""In the order of probing (docs/axonius-api.md, "Endpoints")."""

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
