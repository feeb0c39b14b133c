"""Daft."""

import os

import daft
from canonical import PYICEBERG, answer
from daft.io import IOConfig, S3Config
from pyiceberg.table import StaticTable

STORE = IOConfig(
    s3=S3Config(
        endpoint_url=os.environ.get("AWS_ENDPOINT_URL"),
        region_name=os.environ.get("AWS_REGION"),
        key_id=os.environ.get("AWS_ACCESS_KEY_ID"),
        access_key=os.environ.get("AWS_SECRET_ACCESS_KEY"),
        use_ssl=False,
    )
)


def delta(wish):
    """By delta-rs, which it asks for the log."""
    return daft.read_deltalake(wish["path"], version=wish["version"], io_config=STORE).to_arrow()


def iceberg(wish):
    """By pyiceberg, which it asks for the metadata."""
    table = StaticTable.from_metadata(wish["metadata"], PYICEBERG)
    return daft.read_iceberg(table, snapshot_id=wish["snapshot_id"], io_config=STORE).to_arrow()


if __name__ == "__main__":
    answer({"delta": delta, "iceberg": iceberg})
