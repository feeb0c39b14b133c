"""Commands as people run them, each a process of its own, with a lake in S3 that a settings file names."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from axsync.emulator.options import DEMO_KEY, DEMO_SECRET
from tests.faults.torture.place import emulator
from tests.stores.servers import BUCKET, KEY, REGION, SECRET, Server, s3, s3_client

pytestmark = pytest.mark.stores
PROFILES = "".join(
    f"[{name}]\naws_access_key_id = {KEY}\naws_secret_access_key = {secret}\n"
    for name, secret in (("lakes", SECRET), ("wrong", "another-one"))
)


@pytest.fixture(scope="module")
def server() -> Server:
    return s3()


class Desk:
    """A home folder with a profile of AWS, and a settings file."""

    def __init__(self, folder: Path, server: Server, url: str) -> None:
        self.folder, self.prefix = folder, f"desks/{uuid4().hex}"
        self.uri = f"s3://{BUCKET}/{self.prefix}"
        (folder / ".aws").mkdir()
        (folder / ".aws/credentials").write_text(PROFILES)
        lake = f'uri = "{self.uri}"\nendpoint = "{server.endpoint}"\nregion = "{REGION}"\n'
        (folder / "axsync.toml").write_text(f'[lake]\n{lake}storage_class = "STANDARD_IA"\n')
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(Path.cwd())}
        self.environ |= {"AX_URL": url, "AX_KEY": DEMO_KEY, "AX_SECRET": DEMO_SECRET}

    def axsync(self, *arguments: str, code: int = 0, **environ: str) -> str:
        """What a command prints; stderr where it fails."""
        told = subprocess.run(
            [sys.executable, "-m", "axsync", *arguments],
            cwd=self.folder,
            env={"AWS_PROFILE": "lakes", **self.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == code, told.stderr
        assert SECRET not in told.stdout + told.stderr
        return told.stderr if code else told.stdout


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    process, where = emulator(7)
    yield where
    process.terminate()
    process.communicate()


@pytest.fixture
def desk(tmp_path: Path, server: Server, url: str) -> Desk:
    return Desk(tmp_path, server, url)


def test_a_lake_is_filled_and_read_by_processes(desk: Desk, server: Server) -> None:
    """The profile has the keys; what is published is in the class that was asked for, and nothing else."""
    assert desk.axsync("check", "--output", "json").count('"ok": true') >= 5
    assert f"complete: {desk.uri}" in desk.axsync("run", "-q")
    assert desk.axsync("run", "--output", "json").count('"verdict": "complete"') > 1
    assert "everything matches the manifest" in desk.axsync("verify")
    assert int(desk.axsync("sql", "--output", "csv", "select count(*) from users").split()[-1]) > 0
    assert desk.axsync("report").strip().startswith(f"{desk.uri}/_axsync/runs/")

    found = s3_client(server.endpoint).list_objects_v2(Bucket=BUCKET, Prefix=desk.prefix)["Contents"]
    classed = {one["Key"] for one in found if one["StorageClass"] == "STANDARD_IA"}
    assert classed == {one["Key"] for one in found if one["Key"].endswith(".parquet")}


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        (("run", "--lake", "s3://no-such-bucket/lake"), {}, "the bucket does not exist"),
        (("run",), {"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
        (("run",), {"AWS_PROFILE": "wrong"}, "the secret key is wrong"),
        (("sql", "select 1", "--lake", "s3://lake/nothing/here"), {}, "there is no lake 's3://lake/nothing/here' yet"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    desk: Desk, arguments: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    """And exit code 2, before anything is written."""
    said = desk.axsync(*arguments, code=2, **environ)

    assert told in said.splitlines()[0]
    assert "Traceback" not in said
