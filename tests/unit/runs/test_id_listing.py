"""Ids that are listed before it is known which of them the parts hold."""

import asyncio

import pyarrow as pa
import pytest

from axsync.lake.id_index import hash_ids, index_of
from axsync.runs import reconcile
from axsync.runs.reconcile import IdListing, Void

IDS = [pa.array([f"{number}{letter}" for letter in "abc"]) for number in range(4)]
INDEX = index_of(hash_ids(pa.concat_arrays([IDS[0], IDS[2]])))


@pytest.mark.parametrize("early", range(len(IDS) + 1))
def test_names_that_no_part_holds_are_the_same_whenever_the_index_comes(early: int) -> None:
    """Behind so many pages; each name once."""
    listing = IdListing(INDEX if early == 0 else None)
    for ids in IDS[:early]:
        listing.add(ids)
    listing.compare(INDEX, listing.indexed(INDEX))
    for ids in IDS[early:]:
        listing.add(ids)

    assert sorted(listing.missing.to_pylist()) == sorted([*IDS[1].to_pylist(), *IDS[3].to_pylist()])
    assert len(listing.known()) == 12


async def test_no_more_names_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the index comes, or the listing is void, no further page is asked for."""
    monkeypatch.setattr(reconcile, "MOST_UNSEEN", 4)
    listing = IdListing(None)
    listing.add(IDS[0])
    await listing.room()
    listing.add(IDS[1])
    waiting = asyncio.create_task(listing.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    listing.indexed(INDEX)
    await waiting

    listing.make_void()
    with pytest.raises(Void):
        await listing.room()
