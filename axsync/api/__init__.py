"""The two generations of the API as modules of functions that satisfy one protocol. No I/O."""

from typing import Literal, Protocol

from axsync.api import v1, v2
from axsync.api.entity_types import KNOWN_ENTITIES
from axsync.api.question import (
    ALSO_DETAILED,
    DETAILS,
    Dialect,
    QueriesPage,
    Question,
    SavedQuery,
    history_days_request,
    read_history_days,
)
from axsync.api.system import SYSTEM_TABLES, Listing, is_system, table_fields
from axsync.model import Generation, Page, Reply, Request, Window
from axsync.schema.columns import Field

__all__ = [
    "ALSO_DETAILED",
    "DETAILS",
    "GENERATIONS",
    "KNOWN_ENTITIES",
    "SYSTEM_TABLES",
    "Api",
    "Dialect",
    "Listing",
    "QueriesPage",
    "Question",
    "SavedQuery",
    "history_days_request",
    "is_system",
    "read_history_days",
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
