"""What holds for every test: only loopback can be reached, and the machine's own settings are out of sight."""

import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import settings

# The same code gets the same verdict; `make fuzz` rolls the dice, `make unit` takes few examples.
# A busy machine is no fault, hence no deadline.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=10)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile("steady")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: tests of whole runs wait for disks, servers and pauses."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long is first, or it would be what all other workers wait for in the end."""
    items.sort(key=lambda item: "torture" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end: the collector of garbage need not walk through them each time.

    Nor need it run after each 700 objects where a page has more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


class NetworkForbiddenError(RuntimeError):
    """A test tried to leave this machine. No OSError, so that no code under test takes it for a host that is down."""


def is_loopback(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def refuse_address(sock: socket.socket, address: object) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple) and not is_loopback(address[0]):
        raise NetworkForbiddenError(f"tests reach loopback only, not {address[0]!r}")


def refuse_name(host: object, *_: object) -> None:
    # RFC 6761: names under .invalid never exist. Tests use them for a host that is not there; nobody need be asked.
    if isinstance(host, str) and host.endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    # Looking up an address asks nobody, and a server may listen on all interfaces.
    if not is_loopback(host) and not is_address(host):
        raise NetworkForbiddenError(f"tests resolve loopback only, not {host!r}")


def is_address(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return True


GUARDS: dict[str, Callable[..., None]] = {
    "socket.connect": refuse_address,
    "socket.sendto": refuse_address,
    "socket.sendmsg": refuse_address,
    "socket.getaddrinfo": refuse_name,
    "socket.gethostbyname": refuse_name,
}


def guard(event: str, args: tuple[object, ...]) -> None:
    if event in GUARDS:
        GUARDS[event](*args)


# The interpreter asks this hook before each such call, whoever makes it; no name is patched. It cannot be taken away.
sys.addaudithook(guard)


HOMES = count()
"""Numbers for the folders of tests."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No settings of this machine reach a test: neither by variable nor by a file in the home folder."""
    for name in tuple(os.environ):
        if name.startswith(("AX_", "AXSYNC_", "XDG_", "AWS_", "AZURE_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    # The first who asks decides for the process; without a word of ours it would take any backend that a test defines.
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # or boto3 asks the machine for its role
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(HOMES))  # `mktemp` would look through all before it
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
