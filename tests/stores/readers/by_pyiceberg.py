"""pyiceberg's own scan."""

from canonical import PYICEBERG, answer
from pyiceberg.table import StaticTable


def iceberg(wish):
    """By the metadata, without a catalog."""
    table = StaticTable.from_metadata(wish["metadata"], PYICEBERG)
    return table.scan(snapshot_id=wish["snapshot_id"]).to_arrow()


if __name__ == "__main__":
    answer({"iceberg": iceberg})
