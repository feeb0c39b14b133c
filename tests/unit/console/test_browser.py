"""The report in a real browser: as a person sees it on a desk, at night, on a phone and on paper."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from axsync.console.report.facts import Facts
from axsync.console.report.index_page import write_index
from axsync.console.report.page import render
from axsync.lake import layout
from tests.unit.console.browser import Tab, browser, find
from tests.unit.console.stories import hostile, lane, snapshot, timeline
from tests.unit.console.test_index import NOW, outcome, publish
from tests.unit.lake.folders import FolderLake

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find() is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]

BADGE = "document.querySelector('h1 .badge')"
SEEN = f"(box => box.top >= 0 && box.bottom <= innerHeight && box.width > 0)({BADGE}.getBoundingClientRect())"
TOO_WIDE = """[...document.querySelectorAll('body *')]
    .filter(one => !one.closest('svg') && one.getBoundingClientRect().right > innerWidth + 0.5)
    .map(one => one.outerHTML.slice(0, 80))"""


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    command = find()
    assert command is not None
    async with browser(command, tmp_path / "profile") as opened:
        yield opened


def saved(folder: Path, facts: Facts) -> str:
    path = folder / "report.html"
    path.write_text(render(facts), "utf-8")
    return path.as_uri()


async def check(tab: Tab, url: str, *, width: int, scheme: str = "light") -> None:
    """The verdict is seen at once, nothing sticks out, nothing is asked for, the browser has no complaint."""
    await tab.show(url, width=width, height=844, scheme=scheme)

    assert await tab.value(SEEN)
    assert await tab.value("document.documentElement.scrollWidth") <= width
    assert await tab.value(TOO_WIDE) == []
    assert set(tab.requests) == {url}
    assert tab.complaints == []


async def test_an_ordinary_report(tab: Tab, tmp_path: Path) -> None:
    """On a desk, in the dark, on a phone; the lines are really drawn, and paper takes it."""
    earlier = (snapshot(lane(rows=1900), day=22), snapshot(lane(rows=1000), day=21))
    url = saved(tmp_path, Facts(snapshot(lane(), lane("users", 600)), earlier=earlier, timeline=timeline()))
    colours = set()
    for scheme in ("light", "dark"):
        await check(tab, url, width=1200, scheme=scheme)
        colours.add(await tab.value("getComputedStyle(document.body).backgroundColor"))
    for width in (1001, 700, 390):
        await check(tab, url, width=width)

    assert len(colours) == 2
    assert await tab.value(f"{BADGE}.innerText") == "complete"
    assert await tab.value("document.querySelector('path.area').getTotalLength()") > 1000
    assert (await tab.picture()).startswith(b"\x89PNG")
    assert (await tab.paper()).startswith(b"%PDF")


async def test_an_index(tab: Tab, tmp_path: Path) -> None:
    """All runs on one page, on a desk and on a phone, by day and by night; its links lead to reports."""
    lake = FolderLake(tmp_path / "lake")
    bad = {"verdict": "partial", "reason": "500", "parts": (), "columns": {}}
    publish(lake, 20, outcome("devices", 100), outcome("W" * 200, 7))
    run_id = publish(lake, 22, outcome("devices", 130), outcome("W" * 200, 0, **bad))
    lake.store.write(layout.report(run_id), render(Facts(snapshot(lane()))).encode())
    url = Path(write_index(lake, NOW)).as_uri()
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
        tab.requests.clear()
        await check(tab, url, width=width, scheme=scheme)
    linked = await tab.value("document.querySelector('.runs a').href")

    assert await tab.value("document.querySelector('path.top').getTotalLength()") > 500
    await tab.show(linked, width=1280)
    assert await tab.value(f"{BADGE}.innerText") == "complete"


async def test_a_report_full_of_hostile_names(tab: Tab, tmp_path: Path) -> None:
    """Nothing of theirs runs, and however long they are, the page keeps its width."""
    url = saved(tmp_path, hostile())
    for width in (1200, 1001, 700, 390):
        await check(tab, url, width=width)

    assert await tab.value("document.scripts.length + document.images.length") == 0
    assert await tab.value("document.title") == "partial: axsync run 20261123T020000Z-7f3a"
    assert await tab.value("document.body.innerText.includes('<script>alert(1)</script>')")
