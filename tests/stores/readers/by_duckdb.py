"""DuckDB, with its extensions from packages of the index."""

import os
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
from canonical import answer

CONNECTION = duckdb.connect(config={"autoinstall_known_extensions": False})


def load(*names):
    """Each package has a signed extension, which is loaded from where it is."""
    for name in names:
        folder = Path(import_module(f"duckdb_extension_{name}").__file__).parent
        (file,) = folder.glob(f"extensions/*/{name}.duckdb_extension")
        CONNECTION.load_extension(str(file))


def rows(sql, *given):
    """The answer to a query."""
    return CONNECTION.execute(sql, given).to_arrow_table()


def log_in():
    """To the store that the variables name."""
    store = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    told = {
        "key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "secret": os.environ["AWS_SECRET_ACCESS_KEY"],
        "region": os.environ["AWS_REGION"],
        "endpoint": store.netloc,
        "url_style": "path",
        "use_ssl": str(store.scheme == "https").lower(),
    }
    listed = ", ".join(f"{name} '{value}'" for name, value in told.items())
    CONNECTION.execute(f"CREATE SECRET (TYPE s3, {listed})")


if __name__ == "__main__":
    load("avro", "httpfs", "delta", "iceberg")
    CONNECTION.execute("SET timezone = 'UTC'")
    if "AWS_ENDPOINT_URL" in os.environ:
        log_in()
    answer(
        {
            "sql": lambda wish: rows(wish["sql"]),
            "delta": lambda wish: rows("SELECT * FROM delta_scan(?, version => ?)", wish["path"], wish["version"]),
            "iceberg": lambda wish: rows(
                "SELECT * FROM iceberg_scan(?, snapshot_from_id => ?)", wish["metadata"], wish["snapshot_id"]
            ),
        }
    )
