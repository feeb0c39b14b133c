"""What networks and clouds do to requests, between a lake and S3: survived, or told in one sentence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import ObjectStore as Bucket

from axsync.errors import LakeError
from axsync.lake import objects
from axsync.lake.objects import ObjectStore
from axsync.lake.store import Move
from axsync.lake.uploads import S3Uploads
from tests.stores.proxy import Fault, Mishap, Proxy, proxied
from tests.stores.servers import BUCKET, SECRET, SERVERS, Server, s3, s3_client, store_at

pytestmark = pytest.mark.stores
QUICK = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=5),
    "backoff": {"init_backoff": timedelta(milliseconds=5)},
}
MISHAPS: list[Mishap] = ["refuse", "drop", "refuse when done", "drop when done"]


@pytest.fixture(scope="module")
def server() -> Server:
    return s3()


@contextmanager
def behind(server: Server, folder: Path, *faults: Fault) -> Iterator[tuple[ObjectStore, Proxy]]:
    with proxied(server.port, *faults) as proxy:
        yield store_at(server, folder, endpoint=server.behind(proxy.endpoint), retry_config=QUICK), proxy


def seal(store: ObjectStore, key: str, content: bytes) -> None:
    draft = store.create(key)
    draft.file.write(content)
    draft.seal()


VERBS: dict[str, Callable[[ObjectStore], object]] = {
    "write": lambda store: store.write("a", b"new"),
    "write_if_absent": lambda store: store.write_if_absent("fresh", b"new") or pytest.fail("taken"),
    "replace_if_unchanged": lambda store: store.replace_if_unchanged("a", b"old", b"new") or pytest.fail("moved"),
    "append": lambda store: [store.append("grown", b"more"), store.append("grown", b"!")],
    "seal": lambda store: seal(store, "part", b"new"),
    "commit": lambda store: store.commit([Move("staged", "final", frozenset({"1"}))]),
    "delete": lambda store: store.delete("a"),
    "read": lambda store: store.read("a"),
    "list": lambda store: [*store.list("*"), *store.list("staged/**/*")],
}
AFTERWARDS = {
    "write": {"a": b"new"},
    "write_if_absent": {"fresh": b"new"},
    "replace_if_unchanged": {"a": b"new"},
    "append": {"grown": b"somemore!"},
    "seal": {"part": b"new"},
    "commit": {"final/1": b"1"},
}


@pytest.mark.parametrize("mishap", MISHAPS)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.fault(63)
def test_a_request_that_fails_once_does_what_it_should(name: str, verb: str, mishap: Mishap, tmp_path: Path) -> None:
    """Whether the store did not do it, or did and the answer was lost: it is sent again, and done once."""
    before = {"a": b"old", "staged/1": b"1"}
    faults = [Fault(method, ".", mishap, times=0) for method in ("PUT", "DELETE", "GET", "HEAD")]
    with behind(SERVERS[name](), tmp_path, *faults) as (store, _):
        for key, content in before.items():
            store.write(key, content)
        store.append("grown", b"some")
        for fault in faults:
            fault.times = 1

        VERBS[verb](store)

        for fault in faults:
            fault.times = 0
        gone = {"delete": {"a"}, "commit": {"staged/1"}}.get(verb, set())
        left = {key: content for key, content in before.items() if key not in gone}
        after = {"grown": b"some", **left, **AFTERWARDS.get(verb, {})}
        assert {one.key: store.read(one.key) for one in store.list("**/*")} == after


@pytest.mark.parametrize("verb", ["write_if_absent", "replace_if_unchanged", "append"])
@pytest.mark.fault(63)
def test_a_conflict_with_a_request_of_the_same_moment_is_no_refusal(server: Server, verb: str, tmp_path: Path) -> None:
    """S3 answers 409 where two conditional writes meet; the condition holds, so it is sent again."""
    with behind(server, tmp_path) as (store, proxy):
        store.write("a", b"old")
        store.append("grown", b"some")
        proxy.faults = [Fault("PUT", ".", "refuse", status=409, code="ConditionalRequestConflict")]
        VERBS[verb](store)


@pytest.mark.fault(63)
def test_a_store_that_asks_for_fewer_requests_for_ever_is_told_of(server: Server, tmp_path: Path) -> None:
    """In one sentence, without an address or a key."""
    with behind(server, tmp_path, Fault("PUT", ".", "refuse", times=99)) as (store, _):
        with pytest.raises(OSError, match="keeps asking for fewer requests") as caught:
            store.write("a", b"")
        for secret in ("127.0.0.1", "http", SECRET, "axsync"):
            assert secret not in str(caught.value)


@pytest.mark.fault(64)
def test_credentials_that_expire_in_the_middle_are_asked_for_anew(server: Server, tmp_path: Path) -> None:
    """Once; where that does not help, it is told."""
    expired = Fault("PUT", ".", "refuse", status=400, code="ExpiredToken")
    with behind(server, tmp_path, expired) as (store, _):
        made, bucket = list[int](), store.bucket

        def renewed() -> Bucket:
            made.append(1)
            return bucket

        store.renewed = renewed
        store.write("a", b"1")
        assert (store.read("a"), made) == (b"1", [1])

        expired.times = 9
        with pytest.raises(OSError, match="the credentials have expired"):
            store.write("a", b"2")


class TestLargeParts:
    """More than one request, of which some fail."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(objects, "ONE_PUT", 1 << 20)
        monkeypatch.setattr(objects, "CHUNK", 5 << 20)

    CONTENT = bytes(range(256)) * (11 << 12)  # 11 MiB

    @pytest.mark.parametrize(
        ("method", "match"),
        [("POST", "uploads"), ("PUT", "partNumber=2"), ("POST", "uploadId")],
        ids=["begin", "part", "end"],
    )
    @pytest.mark.parametrize("mishap", MISHAPS)
    def test_a_request_that_fails_once(
        self, server: Server, method: str, match: str, mishap: Mishap, tmp_path: Path
    ) -> None:
        """It is there as it was written, and can be read from anywhere."""
        with behind(server, tmp_path, Fault(method, match, mishap)) as (store, _):
            seal(store, "part", self.CONTENT)
            with store.open("part") as file:
                file.seek(-300, 2)
                assert file.read() == self.CONTENT[-300:]
            assert store.read("part") == self.CONTENT

    @pytest.mark.parametrize("name", SERVERS)
    def test_it_is_what_was_written(self, name: str, tmp_path: Path) -> None:
        """In every store, also behind a commit."""
        store = store_at(SERVERS[name](), tmp_path)
        seal(store, "staged/part", self.CONTENT)
        store.commit([Move("staged", "final", frozenset({"part"}))])

        assert (store.read("final/part") == self.CONTENT, store.names("staged")) == (True, ())

    def test_one_that_fails_for_ever_leaves_nothing(self, server: Server, tmp_path: Path) -> None:
        """Neither an object nor an upload that never ends."""
        with behind(server, tmp_path, Fault("PUT", "partNumber=2", "refuse", times=99)) as (store, _):
            with pytest.raises(OSError, match="fewer requests"):
                seal(store, "part", self.CONTENT)
            assert not store.has("part")
            begun = s3_client(server.endpoint).list_multipart_uploads(Bucket=BUCKET, Prefix=store.prefix)
            assert begun.get("Uploads", []) == []


@pytest.mark.parametrize(
    ("told", "more"),
    [
        ("the bucket does not exist", {"bucket": "no-such-bucket"}),
        ("the store does not know the access key", {"access_key_id": "nobody"}),
        ("the secret key is wrong", {"secret_access_key": "wrong-secret"}),
        ("the store does not answer", {"endpoint": "http://127.0.0.1:9"}),
    ],
)
@pytest.mark.fault(65)
def test_a_store_that_cannot_be_written_is_refused_before_anything(
    server: Server, told: str, more: dict[str, str], tmp_path: Path
) -> None:
    """In one sentence each."""
    store = store_at(server, tmp_path, **more, retry_config=QUICK)
    with pytest.raises(LakeError, match=f"^the lake 'test://lake/.*' cannot be written: {told}$"):
        store.preflight()


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ("the bucket is in another region", 301, "PermanentRedirect"),
        ("the bucket is in another region", 400, "AuthorizationHeaderMalformed"),
        ("permission denied", 403, "AccessDenied"),
        ("the store answers 501 NotImplemented", 501, "NotImplemented"),
    ],
)
@pytest.mark.fault(65)
def test_what_the_store_refuses_is_told(server: Server, told: str, status: int, code: str, tmp_path: Path) -> None:
    """What cannot be tried here is answered as the cloud does."""
    with (
        behind(server, tmp_path, Fault("PUT", ".", "refuse", 99, status, code)) as (store, _),
        pytest.raises(LakeError, match=f"cannot be written: {told}$"),
    ):
        store.preflight()


def test_nothing_is_left_of_a_probe(server: Server, tmp_path: Path) -> None:
    """And it is made once."""
    with behind(server, tmp_path) as (store, proxy):
        store.preflight()
        requests = len(proxy.seen)
        store.preflight()
        assert (requests > 0, len(proxy.seen)) == (True, requests)
        assert [*store.list("**/*")] == []


def test_an_upload_that_never_ended_is_found_and_ended(server: Server, tmp_path: Path) -> None:
    """As one leaves it that is killed in the middle; an object that is whole is none."""
    store, client = store_at(server, tmp_path), s3_client(server.endpoint)
    store.uploads = lambda: S3Uploads(client, BUCKET)
    path = f"{store.prefix}/_axsync/runs/r/staging/part"
    begun = client.create_multipart_upload(Bucket=BUCKET, Key=path)["UploadId"]
    client.upload_part(Bucket=BUCKET, Key=path, UploadId=begun, PartNumber=1, Body=b"content")
    store.write("_axsync/a", b"")

    (found,) = store.unfinished("_axsync")
    assert (found.key.startswith("_axsync/runs/r/staging/part"), found.size) == (True, 7)
    for _ in range(2):
        store.delete(found.key)
    assert (list(store.unfinished("_axsync")), store.names("_axsync")[:1]) == ([], ("a",))
