"""Copies everything an Axonius instance knows into a Parquet lake."""

__version__ = "0.1.0"
