"""A snapshot in SQL: entity types as tables, queries over them, and DDL for other engines."""

from axsync.sql.query import Answer, query_session
from axsync.sql.tables import EntityTable, tables_of

__all__ = ["Answer", "EntityTable", "query_session", "tables_of"]
