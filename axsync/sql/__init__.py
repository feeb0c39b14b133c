"""A snapshot for those who speak SQL: its entity types as tables, queries over them, and their DDL elsewhere."""

from axsync.sql.desk import Answer, desk
from axsync.sql.tables import EntityTable, tables_of

__all__ = ["Answer", "EntityTable", "desk", "tables_of"]
