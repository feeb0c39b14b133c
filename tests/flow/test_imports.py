"""A run loads no library that it does not use."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from axsync.emulator import Emulator
from tests.flow.harness import Lab

Start = Callable[..., Awaitable[Emulator]]
RUN = """
import sys
from axsync.cli import main
try:
    main(["run", "devices", "users", "-q"])
finally:
    print([name for name in ("pandas", "pyarrow.compute", "duckdb") if name in sys.modules])
"""


async def test_a_run_that_lists_ids_loads_no_pandas(lab: Lab, start: Start) -> None:
    """`pyarrow.array` would, half a second long and on the event loop (docs/adr/0018)."""
    emulator = await start(sizes={"devices": 30, "users": 3})
    (lab.folder / "axsync.toml").write_text(
        f'[lake]\nuri = "lake"\n[instances.prod]\nurl = "{emulator.url}"\npage_size = 10\n'
        'api_key = "env:AX_KEY"\napi_secret = "env:AX_SECRET"\n'
    )
    keys = {"AX_KEY": emulator.api_key, "AX_SECRET": emulator.api_secret}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN),
        cwd=lab.folder,
        env=os.environ | keys,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()

    assert (process.returncode, said.decode().splitlines()[-1]) == (0, "[]")
