"""PySpark reads a lake as the documents say, and runs Athena's statements; sqlglot parses those of all dialects.

    python check_spark.py FOLDER READING_MD

FOLDER is what `make_lake.py` made. Needs pyspark, sqlglot and a JVM; shares nothing with axsync.
"""

import json
import logging
import os
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import sqlglot
from pyspark.sql import SparkSession
from sqlglot import exp

RECIPE = re.compile(r"^<!-- spark -->\n```python\n(.*?)^```\n\n```text\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
PARSED_AS_WORDS = {"CALL", "ALTER"}  # what sqlglot takes for a command that it does not know further


def session(folder):
    """One core, no page, nothing outside the folder."""
    return (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        .config("spark.hadoop.javax.jdo.option.ConnectionURL", f"jdbc:derby:{folder / 'metastore'};create=true")
        .enableHiveSupport()
        .getOrCreate()
    )


def files_of(folder):
    """Entity type → the files that the newest manifest names."""
    control = folder / "lake/_axsync"
    manifest = json.loads((control / json.loads((control / "latest.json").read_text())["manifest"]).read_text())
    files = {}
    for lane in manifest["lanes"]:
        files.setdefault(lane["entity"], []).extend(str(folder / "lake" / file["path"]) for file in lane["files"])
    return files


def check_recipe(spark, folder, page):
    """The document's block prints what stands below it; only the name of the instance is that of the demo."""
    code, shown = RECIPE.search(page.read_text("utf-8")).groups()
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code.replace('"lake"', repr(str(folder / "lake"))), {"spark": spark, "files": files_of(folder)})
    told = printed.getvalue()
    print(told)
    numbers = [re.findall(r"\w+", text.replace("default", "demo")) for text in (shown, told)]
    assert numbers[0] == numbers[1], "the document shows something else"


def check_five_days(spark, folder, page):
    """The recipe reads every row and column of the newest snapshot, and of each earlier day as the page says: apart."""
    code = RECIPE.search(page.read_text("utf-8"))[1].partition("devices.groupBy")[0]
    lake, rows = folder / "lake", json.loads((folder / "rows.json").read_text())
    newest, seen = max(rows), 0

    def read(paths):
        names = {"spark": spark, "files": {"devices": [str(path) for path in paths]}}
        exec(code.replace('"lake"', repr(str(lake))), names)
        return names["devices"]

    for entity, files in files_of(folder).items():
        columns = set()
        for file in files:
            columns |= set(read([file]).columns)
        found = read(files)
        assert set(found.columns) == columns, entity
        if entity in rows[newest]["emea"]:
            assert found.count() == sum(of_type[entity] for of_type in rows[newest].values()), entity
    missing = []
    for day, instance, entity in [(d, i, e) for d, of_day in rows.items() for i, of in of_day.items() for e in of]:
        files = sorted(lake.glob(f"entity={entity}/instance={instance}/dt={day}/*.parquet"))
        if files:
            count = read(files).count()
            assert count == rows[day][instance][entity], (day, instance, entity)
            seen += count
        else:
            missing.append((day, instance, entity))
    assert missing == [(sorted(rows)[1], "amer", "users")], missing  # it was forbidden
    print(f"Spark read {seen} rows of {len(rows)} days, each day and instance by itself")


def check_athena(spark, folder):
    """Spark takes Athena's statements as they stand; partitions have to be looked for, since it projects none."""
    statements = [s for s in re.split(r";\s*\n", (folder / "ddl-athena.sql").read_text()) if s.strip()]
    for statement in statements:
        spark.sql(statement)
    for (name,) in [row[1:2] for row in spark.sql("SHOW TABLES").collect()]:
        spark.sql(f"MSCK REPAIR TABLE {name}")
    rows = {name: spark.table(name).count() for name in ("devices", "users", "certificates", "secrets")}
    assert rows == {"devices": 2000, "users": 600, "certificates": 150, "secrets": 0}, rows
    nested = spark.sql(
        "SELECT count(*) FROM (SELECT explode(network_interfaces) AS card, instance, dt FROM devices) "
        "WHERE card.mac IS NOT NULL AND instance = 'demo'"
    ).first()[0]
    assert nested > 0
    print(f"Spark ran {len(statements)} statements of Athena: {rows}, {nested} network cards")


def check_syntax(folder):
    """Every statement is parsed in its dialect; commands that sqlglot does not know are counted."""
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    for dialect in ("athena", "trino", "snowflake", "duckdb"):
        text = (folder / f"ddl-{dialect}.sql").read_text()
        parsed = [one for one in sqlglot.parse(text, read=dialect, error_level=sqlglot.ErrorLevel.RAISE) if one]
        words = [one.name.upper() for one in parsed if isinstance(one, exp.Command)]
        assert set(words) <= PARSED_AS_WORDS, words
        created = sum(isinstance(one, exp.Create) for one in parsed)
        assert created >= 4
        others = len(parsed) - created - len(words)
        print(f"sqlglot parsed {dialect}: {created} CREATE, {others} other, {len(words)} not looked into")


def check_views(folder):
    """So is every view, and what it stands on."""
    for dialect in ("athena", "trino", "snowflake"):
        text = (folder / f"views-{dialect}.sql").read_text()
        parsed = [one for one in sqlglot.parse(text, read=dialect, error_level=sqlglot.ErrorLevel.RAISE) if one]
        words = [one.name.upper() for one in parsed if isinstance(one, exp.Command)]
        assert set(words) <= PARSED_AS_WORDS, words
        views = {one.this.name.lower() for one in parsed if isinstance(one, exp.Create) and one.kind == "VIEW"}
        assert {"lanes", "devices", "devices_flat", "coverage", "findings"} <= views
        print(f"sqlglot parsed {dialect}: {len(views)} views")


def check(folder, page):
    """All of it."""
    check_syntax(folder)
    check_views(folder / "five")
    os.chdir(folder)  # Derby, the catalogue of the session, leaves a log where it is
    spark = session(folder)
    spark.sparkContext.setLogLevel("ERROR")
    check_recipe(spark, folder, page)
    check_five_days(spark, folder / "five", page)
    check_athena(spark, folder)
    spark.stop()


if __name__ == "__main__":
    check(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
