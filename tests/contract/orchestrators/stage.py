"""What the checks of the recipes have in common: a real run first, then an `axsync` that ends as it is told.

Run by the Python of the scheduler, so it needs nothing but the standard library. `AXSYNC` is the real axsync.
"""

import atexit
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

RECIPES = Path(__file__).parents[3] / "docs/recipes"
FOLDER = Path(tempfile.mkdtemp(prefix="axsync-recipe-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
REAL = Path(os.environ["AXSYNC"]).absolute()
CODES = FOLDER / "codes"
CALLS = FOLDER / "calls"
PROGRAM = f"""#!/bin/sh
# Ends with the codes of a file in turn; without any, it is the real one, with the settings of this folder.
echo "$@" >> {CALLS}
code=$(head -n 1 {CODES}); sed -i 1d {CODES}
[ -n "$code" ] && exit "$code"
shift 3
exec {REAL} run users --lake {FOLDER}/lake "$@"
"""


def recipe(name: str) -> ModuleType:
    """The recipe as a module, with `axsync` being ours."""
    program = FOLDER / "bin/axsync"
    program.parent.mkdir(exist_ok=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    os.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    os.chdir(FOLDER)
    emulate()
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def emulate() -> None:
    """A small Axonius, which ends with this script; the three variables lead to it."""
    command = [REAL, "emulate", "--output", "json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    atexit.register(server.terminate)
    url = json.loads(server.stdout.readline() if server.stdout else b"{}")["url"]
    keys = {"AX_KEY": "demo-key-of-the-emulator", "AX_SECRET": "demo-secret-of-the-emulator"}
    os.environ.update(keys, AX_URL=url)


def ends_with(*codes: int) -> None:
    """What the next calls end with; after them axsync is the real one."""
    CODES.write_text("".join(f"{code}\n" for code in codes))
    CALLS.write_text("")


def calls() -> int:
    """How often axsync was called since then."""
    return len(CALLS.read_text().splitlines())


def published() -> bool:
    """Whether the real run left a snapshot."""
    return (FOLDER / "lake/_axsync/latest.json").is_file()


def check(what: str, found: object, expected: object) -> None:
    """One line of what was looked at; ends the script where it is not so."""
    print(f"{'ok ' if found == expected else 'BAD'} {what}: {found}")
    if found != expected:
        sys.exit(1)
