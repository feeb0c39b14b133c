"""Spark Connect by Sail, with Spark's own client."""

from canonical import answer
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession


def reading(spark):
    """Answer what is asked for; each reader keeps its options, and so each table has one of its own."""

    def delta(wish):
        return spark.read.format("delta").option("versionAsOf", wish["version"]).load(wish["path"]).toArrow()

    def iceberg(wish):
        return spark.read.format("iceberg").option("snapshotId", wish["snapshot_id"]).load(wish["path"]).toArrow()

    answer({"delta": delta, "iceberg": iceberg})


def main():
    """With a server in this process."""
    server = SparkConnectServer()
    server.start(background=True)
    host, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    reading(spark)
    spark.stop()
    server.stop()


if __name__ == "__main__":
    main()
