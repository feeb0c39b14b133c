"""Who reads what: hosts shared out by what they took, and the plan as a document."""

import json
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axsync.config.written import settings_written, written_settings
from axsync.errors import ConfigError
from axsync.lake.history import newest_first
from axsync.lake.publish import RunFacts
from axsync.runs.cluster import refuse_unfit
from axsync.runs.shard_plan import Shard, ShardPlan, last_seconds, read_plan, shared_out, write_plan
from axsync.settings import (
    CredentialReference,
    EntitySettings,
    InstanceSettings,
    LakeSettings,
    RunSettings,
    Settings,
    StoredCredential,
)
from tests.examples import scaled
from tests.unit.lake.folders import FolderLake
from tests.unit.snapshots.lakes import Type, devices, facts, publish

KEYS = CredentialReference("env:AX_KEY", "file:/run/secrets/${x}")
FACTS = RunFacts("20261130T020000Z-7f3a", "2026-11-30", None, "2026-11-30T02:00:00Z", "0.1.0")


def instance(
    name: str, host: str = "acme", credential: CredentialReference | StoredCredential = KEYS
) -> InstanceSettings:
    return InstanceSettings(name, f"https://{host}.example", credential, in_flight=2)


def plan(*instances: InstanceSettings, shards: tuple[Shard, ...] = (Shard(),)) -> ShardPlan:
    settings = Settings(
        LakeSettings(uri="/lake", keep_daily=3, max_part_bytes=1 << 20),
        instances,
        {"devices": EntitySettings(fields=("hostname", "${x}"), query='("a" == "b")')},
        RunSettings(entities=("devices",), limit=7),
    )
    return ShardPlan(FACTS, dated=False, asked="a" * 32, registry="", settings=settings, shards=shards)


@given(
    seconds=st.dictionaries(st.integers(0, 12), st.floats(0.0, 1000.0)),
    hosts=st.lists(st.integers(0, 12), min_size=1, max_size=20),
    count=st.integers(1, 8),
)
@hypothesis.settings(max_examples=scaled(100))
def test_each_host_is_in_one_shard_and_none_has_much_more(
    seconds: dict[int, float], hosts: list[int], count: int
) -> None:
    """All instances of a host go with it. The last host that a shard took found it with no more than the others had."""
    instances = [instance(f"i{place}", f"h{host}") for place, host in enumerate(hosts)]
    known = {f"h{host}.example": one for host, one in seconds.items()}
    shards = shared_out(known, instances, count)

    assert len(shards) == count
    assert sorted(name for shard in shards for name in shard.instances) == sorted(one.name for one in instances)
    assert sorted(host for shard in shards for host in shard.hosts) == sorted({f"h{host}.example" for host in hosts})
    longest = max((known.get(host, 1000.0) for shard in shards for host in shard.hosts), default=0.0)
    assert max(s.seconds for s in shards) <= min(s.seconds for s in shards) + max(longest, 60.0) + 0.01


def test_how_long_a_host_took_is_told_by_the_newest_run_that_read_it(tmp_path: Path) -> None:
    """Its slowest type counts; what stands in from an earlier run does not."""
    lake = FolderLake(tmp_path)
    publish(lake, facts("2026-11-22"), Type(rows=devices(1), facts={"seconds": 9.0}))
    publish(lake, facts("2026-11-23"), Type(rows=devices(1), facts={"seconds": 5.0}))

    instances = [instance("prod"), instance("other", "elsewhere")]
    assert last_seconds(instances, newest_first(lake)) == {"acme.example": 5.0}


def test_a_plan_comes_back_as_it_was() -> None:
    """References and texts with ${…} as they are: they were expanded once."""
    whole = plan(
        instance("prod"), instance("lab", "lab", StoredCredential("lab")), shards=(Shard(("acme.example",), ("prod",)),)
    )

    assert read_plan(write_plan(whole).encode()) == whole
    assert settings_written(json.loads(json.dumps(written_settings(whole.settings)))) == whole.settings


def test_a_plan_holds_no_command() -> None:
    """In whose words the value of a variable may be."""
    whole = plan(instance("prod"))
    told = replace(whole.settings, run=replace(whole.settings.run, on_finish="notify --token 5ecret"))

    assert "5ecret" not in write_plan(replace(whole, settings=told))


def test_a_worker_learns_of_its_own_hosts_only() -> None:
    """Nothing in its plan tells of others, not even a reference to their secrets."""
    shards = (Shard(("acme.example",), ("prod",)), Shard(("lab.example",), ("lab",)))
    whole = plan(instance("prod"), instance("lab", "lab", CredentialReference("env:LAB_K", "env:LAB_S")), shards=shards)
    text = write_plan(whole.only(0))

    assert "lab" not in text.lower()
    assert read_plan(text.encode()).settings_of(0).chosen() == (whole.settings.instances[0],)
    assert (whole.only(0).key, whole.only(0).facts) == (whole.key, whole.facts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format_version": 2}, "is not a plan"),
        ({"shards": "no"}, "is not a plan"),
        ({"shards": []}, "has no shard"),
        ({"run_id": "../../x"}, "invalid run id"),
        ({"logical_date": "today"}, "invalid run id"),
        ({"started_at": "yesterday"}, "invalid run id"),
        ({"shards": [{"instances": ["lab"]}]}, "that it does not describe"),
        ({"settings": {"instances": {"prod": {"url": "https://a.example"}}}}, "has no api_key"),
        ({"settings": {"instances": {"prod": {"api_key": "env:K", "api_secret": "env:S"}}}}, "has no url"),
        ({"settings": {"lake": {"urri": "x"}}}, "did you mean 'uri'"),
    ],
)
def test_a_plan_that_was_changed_is_refused(change: dict[str, object], words: str) -> None:
    """With one sentence, whatever is wrong."""
    document = json.loads(write_plan(plan(instance("prod")))) | change
    with pytest.raises(ConfigError, match=words):
        read_plan(json.dumps(document).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_plan_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigError, match="is not a plan"):
        read_plan(text)


@pytest.mark.parametrize("where", ["credential", "proxy_password"])
def test_a_cluster_run_takes_no_keyring(where: str) -> None:
    """Workers could not open it."""
    keyring = CredentialReference("keyring:prod/key", "env:S")
    prod = instance("prod", credential=keyring) if where == "credential" else instance("prod")
    if where == "proxy_password":
        more = {"proxy": "http://proxy.example", "proxy_user": "me", "proxy_password": "keyring:proxy"}
        prod = InstanceSettings("prod", "https://acme.example", KEYS, **more)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"instance prod: .* in the keyring of this system, which workers"):
        refuse_unfit(Settings(LakeSettings(), (prod,)))
