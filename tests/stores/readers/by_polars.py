"""Polars."""

import os

import polars as pl
from canonical import PYICEBERG, answer

OPTIONS = {"aws_endpoint_url": os.environ.get("AWS_ENDPOINT_URL", ""), "aws_allow_http": "true"}


def delta(wish):
    """By delta-rs, which it asks for the log."""
    options = OPTIONS if "://" in wish["path"] else None
    return pl.scan_delta(wish["path"], version=wish["version"], storage_options=options).collect().to_arrow()


def iceberg(wish):
    """By pyiceberg, which it asks for the metadata."""
    found = pl.scan_iceberg(wish["metadata"], snapshot_id=wish["snapshot_id"], storage_options=PYICEBERG)
    return found.collect().to_arrow()


if __name__ == "__main__":
    answer({"delta": delta, "iceberg": iceberg})
