"""What a run learnt of an instance is where the next one begins, and spares it requests; answers overturn it."""

import json
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from axsync.emulator import Emulator, Mishap, Seen
from axsync.emulator.pages import PageRequest
from axsync.settings import EntitySettings, Settings
from tests.flow.harness import Lab, pages

Start = Callable[..., Awaitable[Emulator]]
FEW = {"default": EntitySettings(fields=("name",))}


async def again(lab: Lab, emulator: Emulator, settings: Settings) -> list[Seen]:
    """Run once more; returns what was asked."""
    before = len(emulator.log)
    ran = await lab.run(settings)
    assert set(ran.verdicts().values()) == {"complete"}
    return emulator.log[before:]


def settings_for(lab: Lab, emulator: Emulator) -> Settings:
    instance = lab.instance(emulator, page_size=50)
    return lab.settings(instance, types=FEW, fresh=True, entities=tuple(emulator.fleets))


def change(lab: Lab, **facts: object) -> None:
    place = lab.lake / "_axsync/state/prod.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | facts))


@pytest.mark.parametrize(("profile", "first", "later"), [("p90", 4, 3), ("v1", 4, 2)])
async def test_the_second_run_needs_no_row_to_know_the_api(
    lab: Lab, start: Start, profile: str, first: int, later: int
) -> None:
    """Version and entity types are asked at once, the discovery cycle beside the fields, and no row.

    A server of v1 alone is not asked for v2, and a key that it refuses is not sent.
    """
    key = "include_details"
    refuses = [Mishap("unknown-key", key=key)]
    emulator = await start(profile, sizes={"devices": 30, "users": 30}, mishaps=refuses)
    settings = settings_for(lab, emulator)

    of_types = 2 * 2
    assert len(await again(lab, emulator, settings)) == first + 1 + of_types
    beginning = await again(lab, emulator, settings)
    assert len(beginning) == later + of_types
    assert {seen.status for seen in beginning} == {200}


async def test_a_new_version_is_asked_anew(lab: Lab, start: Start) -> None:
    """So is one that was asked a week ago."""
    emulator = await start(sizes={"devices": 30})
    settings = settings_for(lab, emulator)
    whole = len(await again(lab, emulator, settings))
    known = json.loads((lab.lake / "_axsync/state/prod.json").read_text())

    change(lab, known=known["known"] | {"version": "6_1_1"})
    assert len(await again(lab, emulator, settings)) > whole  # the version twice, and the types
    assert json.loads((lab.lake / "_axsync/state/prod.json").read_text()) == known

    change(lab, probed=f"{datetime.now(UTC).date() - timedelta(days=7)}")
    assert len(await again(lab, emulator, settings)) == whole
    assert json.loads((lab.lake / "_axsync/state/prod.json").read_text()) == known


async def test_what_a_server_refuses_though_an_earlier_run_did_not_see_it(lab: Lab, start: Start) -> None:
    """The answers overturn what was known."""
    emulator = await start(sizes={"devices": 30})
    settings = settings_for(lab, emulator)
    await again(lab, emulator, settings)

    emulator.mishaps.append(Mishap("unknown-key", key="use_cache_entry"))
    await again(lab, emulator, settings)
    known = json.loads((lab.lake / "_axsync/state/prod.json").read_text())["known"]
    assert known["refused"] == ["use_cache_entry"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 100_000, b"\xff", b'{"host": 1}', b'{"host": "x", "pages": {"devices": {"rows": 0}}}', None],
)
async def test_a_file_that_is_damaged_or_foreign_is_as_good_as_none(
    lab: Lab, start: Start, content: bytes | None
) -> None:
    """And is written anew; None stands for that of another host."""
    emulator = await start(sizes={"devices": 30})
    settings = settings_for(lab, emulator)
    whole = len(await again(lab, emulator, settings))
    place = lab.lake / "_axsync/state/prod.json"
    good = place.read_bytes()
    if content is None:
        change(lab, host="http://127.0.0.1:9")
    else:
        place.write_bytes(content)

    assert len(await again(lab, emulator, settings)) == whole
    assert place.read_bytes() == good


async def test_nothing_of_the_key_is_kept_and_others_cannot_read_it(lab: Lab, start: Start) -> None:
    """Nor is it written anew where nothing is new."""
    emulator = await start(sizes={"devices": 30})
    settings = settings_for(lab, emulator)
    await again(lab, emulator, settings)
    place = lab.lake / "_axsync/state/prod.json"
    written = place.stat()
    await again(lab, emulator, settings)

    text = place.read_text()
    assert not any(secret in text for secret in (emulator.api_key, emulator.api_secret))
    assert (place.stat().st_ino, written.st_mode & 0o777) == (written.st_ino, 0o600)


def is_large(page: PageRequest) -> bool:
    return page.limit > 12 and page.layout.fields != ("internal_axon_id",)


async def test_pages_that_failed_are_not_asked_for_again(lab: Lab, start: Start) -> None:
    """The next run begins with the size that came; good pages make it grow, over several runs too."""
    emulator = await start(sizes={"devices": 36})
    emulator.mishaps.append(Mishap("500", on="page", page=is_large))
    settings = lab.settings(lab.instance(emulator, page_size=24, in_flight=1), types=FEW, fresh=True)

    first = await again(lab, emulator, settings)
    second = await again(lab, emulator, settings)
    assert [seen.status for seen in pages(first, "devices")].count(500) == 2
    assert {seen.status for seen in second} == {200}
    emulator.mishaps.clear()
    await again(lab, emulator, settings)
    assert len(pages(await again(lab, emulator, settings), "devices")) == 2
    assert json.loads((lab.lake / "_axsync/state/prod.json").read_text())["pages"] == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="rights mean nothing to root")
async def test_a_state_that_cannot_be_written_is_told_and_stops_nothing(lab: Lab, start: Start) -> None:
    """It would only spare requests."""
    emulator = await start(sizes={"devices": 30})
    settings = settings_for(lab, emulator)
    (lab.lake / "_axsync/state").mkdir(parents=True)
    (lab.lake / "_axsync/state").chmod(0o500)
    ran = await lab.run(settings)

    assert ran.verdicts() == {"prod/devices": "complete"}
