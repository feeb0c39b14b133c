"""Whatever one server answers costs its entity type or its instance; the other instance is published, whole."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

from axsync.api import GENERATIONS
from axsync.client import source
from axsync.client.source import Source
from axsync.emulator import Emulator
from axsync.events import Crashed
from axsync.model import Verdict
from axsync.runs.verdict import Evidence, judge
from axsync.settings import EntitySettings
from tests.examples import scaled
from tests.faults.interposer import KINDS, Answer, http, interposed, spoiled
from tests.flow.harness import Lab, Ran

Start = Callable[..., Awaitable[Emulator]]

ROUNDS = scaled(2)
"""Runs per kind of request; `make fuzz` asks for many more."""

FEW = {"default": EntitySettings(fields=("name",))}
NESTED = "specific_data.data.associated_devices"
DEEP = b'{"a":' * 1_100 + b"1" + b"}" * 1_100
WORDS = b"[" * 1_000 + b"]" * 1_000
"""As deep as JSON is read, and too deep for what makes text of it."""
FIELD = b'{"generic":[{"name":"specific_data.data.name","title":%b,"type":%b,"format":%b}]}'
PAD = b'"' + b"x" * 70_000 + b'"'
FOUND: dict[str, tuple[str, bytes]] = {
    "a date beyond all years": ("about", http(b"{}", "Date: Mon, 01 Jan 99999999999999999999 00:00:00 GMT")),
    "a token that is not UTF-8": ("page", http(b'{"assets":[],"meta":{"next_page":"\xff"}}')),
    "a key that is not UTF-8": ("page", http(b'{"assets":[],"meta":{"\xff":1}}')),
    "the same in a large page": ("page", http(b'{"assets":[{"a":%b}],"meta":{"\xff":1}}' % PAD)),
    "a deep token": ("page", http(b'{"assets":[{"a":%b}],"meta":{"next_page":%b}}' % (PAD, DEEP))),
    "a deep error": ("page", http(b'{"error":%b}' % DEEP, status="400 Bad")),
    "a deep error of a count": ("count", http(b'{"error":%b}' % DEEP, status="500 Oops")),
    "a deep error at the start": ("about", http(b'{"error":%b}' % DEEP, status="400 Bad")),
    "a deep title of a field": ("fields", http(FIELD % (WORDS, b'"string"', b'""'))),
    "a deep type of a field": ("fields", http(FIELD % (b'""', WORDS, WORDS))),
    "an endless state of discovery": ("discovery", http(b'{"status":"%b"}' % (b"x" * 2_000_000))),
}


def deep_catalogue(levels: int) -> bytes:
    """A catalogue of v2 with complex fields within each other."""
    names = [".".join([NESTED, *(f"l{n}" for n in range(level))]) for level in range(levels)]
    listed = ",".join(f'{{"name":"{name}","type":"array","items":{{"type":"array","items":[]}}}}' for name in names)
    return http(f'{{"generic":[{listed}]}}'.encode())


WISHES: dict[str, dict[str, Any]] = {
    "queries": {"types": {"devices": EntitySettings(saved_query="Linux machines")}},
    "table": {"entities": ("users", "devices", "system_adapters")},
    "days": {"as_of": "latest"},
}
"""What a run is asked for, so that it reads such an answer; anything else, for the others."""


async def run_beside(lab: Lab, start: Start, answer: Answer, profile: str = "p90", **wish: Any) -> Ran:
    """A run of two instances, of which `answer` spoils one; sees that the other is published whole."""
    sizes = {"users": 45, "devices": 20}
    good, bad = await start(sizes=sizes), await start(profile, sizes=sizes)
    async with interposed(bad.url, answer) as url:
        instances = lab.instance(good, "good"), lab.instance(bad, "bad", url=url, tries=2, read_seconds=5.0)
        ran = await lab.run(lab.settings(*instances, fresh=True, accept_drop=True, **wish))
    assert ran.verdicts()["good/users"] == "complete"
    assert lab.ids("users", "good") == sorted(good.fleets["users"].ids())
    return ran


@pytest.mark.fault(61)
@pytest.mark.parametrize("name", FOUND)
async def test_one_odd_answer_costs_its_type_or_its_instance(lab: Lab, start: Start, name: str) -> None:
    """Each was seen to end the run of all."""
    odd, answer = FOUND[name]
    ran = await run_beside(lab, start, lambda kind, _: answer if kind == odd else None)

    assert not ran.of(Crashed)
    assert ran.report.manifest is not None


@pytest.mark.fault(16, 61)
async def test_an_answer_of_one_fact_is_not_read_beyond_a_megabyte(lab: Lab, start: Start) -> None:
    """Lists in lists that nobody asked for would take thirty times their bytes as objects."""
    body = b'{"status":"odd","x":[%b0]}' % (b"[]," * 500_000)
    ran = await run_beside(lab, start, lambda asked, _: http(body) if asked == "discovery" else None)

    assert ran.verdicts()["bad/users"] == "complete"
    assert lab.lane("users", "bad")["discovery"]["before"] is None


@pytest.mark.fault(61)
@pytest.mark.parametrize("levels", [20, 60, 150, 2_000])
async def test_a_catalogue_may_nest_as_deep_as_it_likes(lab: Lab, start: Start, levels: int) -> None:
    """Beyond sixteen levels values are JSON text; the type is read all the same."""
    answer = deep_catalogue(levels)
    ran = await run_beside(lab, start, lambda kind, _: answer if kind == "fields" else None)

    assert not ran.of(Crashed)
    assert ran.verdicts()["bad/users"] == "complete"
    assert NESTED in {column["field"] for column in lab.lane("users", "bad")["columns"].values()}


@pytest.mark.fault(61)
@pytest.mark.parametrize("profile", ["p90", "v1"])
@pytest.mark.parametrize("kind", KINDS)
async def test_arbitrary_answers_cost_no_other_instance(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, profile: str, kind: str
) -> None:
    """Values, keys, bytes, headers and statuses are replaced, drawn by seed; none is met by a defect."""
    patient = Source.count.__kwdefaults__ or {}
    monkeypatch.setitem(patient, "patience", 0.0)  # an odd count may say: not ready yet
    for seed in range(ROUNDS):
        rng = Random(f"{profile} {kind} {seed}")

        def answer(asked: str, body: bytes, rng: Random = rng) -> bytes | None:
            return spoiled(body, rng) if asked == kind and rng.random() < 0.7 else None

        ran = await run_beside(lab, start, answer, profile, **WISHES.get(kind, {}))
        assert not ran.of(Crashed), (seed, ran.of(Crashed)[0].traceback)


READERS = {
    **dict.fromkeys(("read_about", "read_discovery", "read_entities", "read_fields", "read_count", "read_page"), ""),
    "read_queries": "queries",
    "read_system": "table",
}
"""Where the API is read → what a run has to be asked for to come there."""
SPARED = {"read_discovery", "read_entities", "read_fields", "read_count", "read_queries", "read_system"}
"""Readers without whose answers users can be read all the same."""
DEFECTS = (
    RecursionError("deep"),
    StopIteration(),
    KeyError("x"),
    UnicodeDecodeError("utf-8", b"", 0, 1, ""),
)


@pytest.mark.fault(61)
@pytest.mark.parametrize("reader", READERS)
async def test_a_defect_in_a_reader_costs_its_instance(
    lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    """Whatever is raised where an answer is read, but for a lack of memory, which is that of the whole process."""
    api = GENERATIONS["v2"]
    for defect in DEFECTS:
        sizes = {"users": 45, "devices": 20}
        good, bad = await start(sizes=sizes), await start(sizes=sizes, more_fields=1)
        true = getattr(api, reader)
        host = bad.url.removeprefix("http://")

        def read(
            *given: object, host: str = host, true: Callable[..., object] = true, defect: Exception = defect
        ) -> object:
            if host in given:
                raise defect
            return true(*given)

        with monkeypatch.context() as patched:
            patched.setattr(api, reader, read)
            patched.setattr(source, "_CATALOGUES", source.Catalogues())  # those that are alike are read once
            usual = {} if reader == "read_fields" else {"types": FEW}  # a named field needs the catalogue
            wish = usual | WISHES.get(READERS[reader], {})
            instances = lab.instance(good, "good", page_size=10), lab.instance(bad, "bad", tries=1, page_size=10)
            ran = await lab.run(lab.settings(*instances, fresh=True, **wish))

        assert ran.verdicts()["good/users"] == "complete"
        assert lab.ids("users", "good") == sorted(good.fleets["users"].ids())
        assert type(defect).__name__ in ran.of(Crashed)[0].traceback
        assert (ran.verdicts().get("bad/users") == "complete") is (reader in SPARED)


@pytest.mark.fault(61)
async def test_a_defect_in_a_lane_costs_this_lane(lab: Lab, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason says bug, its traceback goes to observers, the other types are published."""

    def broken(evidence: Evidence) -> tuple[Verdict, str | None]:
        if evidence.distinct == 90:
            raise RuntimeError("not to be expected")
        return judge(evidence)

    emulator = await start()
    monkeypatch.setattr("axsync.runs.lane.judge", broken)
    ran = await lab.run(lab.settings(lab.instance(emulator)))

    assert ran.verdicts() == {"prod/devices": "failed", "prod/users": "complete"}
    assert "axsync failed" in (ran.outcome("devices").reason or "")
    assert "not to be expected" in ran.of(Crashed)[0].traceback
    assert len(lab.ids("users")) == 45
