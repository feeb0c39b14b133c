"""What people call an asset, to stand beside its id: a CVE, a host name, a user name, or another name that it has."""

from collections.abc import Sequence
from typing import Final

from axsync.schema.columns import Column
from axsync.schema.kinds import Atom, Many, canonical
from axsync.sql.dialects import double_quoted

LABEL_FIELDS: Final = (
    "cve_id",
    "hostname_preferred",
    "hostname",
    "username_preferred",
    "username",
    "name_preferred",
    "name",
    "common_name",
    "id",
)
"""Generic fields; the first one with a value is the label. `id` is that of the source, such as a ticket's number."""

_GENERIC = "specific_data.data."


def label_sql(columns: Sequence[Column], alias: str = "") -> str:
    """SQL for the label of a row with these columns; of a list the first value; null where there is none."""
    by_field = {column.field.removeprefix(_GENERIC): column for column in columns}
    found = [_text(by_field[field], alias) for field in LABEL_FIELDS if field in by_field]
    return f"coalesce({', '.join([*filter(None, found), 'NULL::VARCHAR'])})"


def _text(column: Column, alias: str) -> str:
    value = f"{alias}{double_quoted(column.name)}"
    match canonical(column.kind):
        case Atom(name="text"):
            return f"nullif({value}, '')"
        case Many(Atom(name="text")):
            return f"nullif({value}[1], '')"
        case _:
            return ""
