"""A real browser, asked over its debugging protocol: Chromium of the system's packages, without a screen."""

import asyncio
import base64
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
START_SECONDS = 60.0  # on a machine that has other things to do


def find() -> str | None:
    """The browser's command, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Tab:
    """One page, and what the browser complained about while it was shown."""

    socket: aiohttp.ClientWebSocketResponse
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser, and note what it tells meanwhile."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        while True:
            told = await self._next()
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    async def _next(self) -> dict[str, Any]:
        told: dict[str, Any] = await self.socket.receive_json(timeout=START_SECONDS)
        match told.get("method"):
            case "Log.entryAdded":
                self.complaints.append(str(told["params"]["entry"].get("text")))
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(str(told["params"]))
            case "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
        return told

    async def show(self, url: str, *, width: int, height: int = 900, scheme: str = "light", scale: float = 1) -> None:
        """Open a page as a screen of this width and taste shows it."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.call("Page.navigate", url=url)
        while await self.value("document.readyState + location.href") != f"complete{url}":  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.05)

    async def value(self, script: str) -> Any:  # noqa: ANN401  # JSON
        """What a piece of script comes to on the page."""
        told = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def picture(self, *, top: int = 0, height: int = 900) -> bytes:
        """A screenshot as PNG, from `top` on."""
        width = await self.value("innerWidth")
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        told = await self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(told["data"])

    async def paper(self) -> bytes:
        """The page as it is printed, a PDF."""
        return base64.b64decode((await self.call("Page.printToPDF"))["data"])


@asynccontextmanager
async def browser(command: str, profile: Path) -> AsyncIterator[Tab]:
    """A browser with one empty tab; it is gone when the block is left."""
    process = await asyncio.create_subprocess_exec(
        command,
        *FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as listed:
                pages = [one for one in await listed.json() if one["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Tab(socket)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the whole family: a session of its own was made for it above
        await process.wait()


async def _port(told: Path) -> int:
    """The browser writes down where it listens."""
    async with asyncio.timeout(START_SECONDS):
        while not (text := await asyncio.to_thread(_read, told)):  # noqa: ASYNC110  the same
            await asyncio.sleep(0.05)
    return int(text.split()[0])


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
