"""TLS before an emulator, with certificates made for one test."""

import asyncio
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import trustme

HOST = "127.0.0.1"


def server_context(authority: trustme.CA, *names: str, days: int = 365) -> ssl.SSLContext:
    """A certificate for these names, valid for so many days; negative ones are over."""
    now = datetime.now(UTC)
    leaf = authority.issue_cert(*names, not_before=now - timedelta(days=1000), not_after=now + timedelta(days=days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def wants_client(context: ssl.SSLContext, authority: trustme.CA) -> ssl.SSLContext:
    """The same, for clients with a certificate of this authority only."""
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def pem(folder: Path, name: str, *blobs: trustme.Blob, mode: int = 0o600) -> str:
    """A file with these certificates and keys."""
    path = folder / name
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    path.chmod(mode)
    return str(path)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    with suppress(ConnectionError):
        writer.close()


class Front(socketserver.ThreadingTCPServer):
    """Speaks TLS and passes on to a plain server. Blocking sockets: asyncio drops the alert of a failed handshake."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext, there: tuple[str, int], host: str) -> None:
        self.context, self.there = context, there
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Connection)


class Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        front = self.server
        assert isinstance(front, Front)
        here = front.context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        try:
            here.do_handshake()
        except OSError:
            end_quietly(here)
            return
        with suppress(OSError), here, socket.create_connection(front.there) as back:
            while pass_on(here, back):
                pass


def end_quietly(here: ssl.SSLSocket) -> None:
    """Close after all has been read: closing over unread bytes resets the connection, and the alert may get lost."""
    with socket.socket(fileno=here.detach()) as plain, suppress(OSError):
        plain.settimeout(1.0)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(1 << 16):
            pass


def pass_on(here: ssl.SSLSocket, back: socket.socket) -> bool:
    """Whether both sides are still there."""
    ready = [here] if here.pending() else select.select([here, back], [], [])[0]
    for one in ready:
        piece = one.recv(1 << 16)
        if not piece:
            return False
        (back if one is here else here).sendall(piece)
    return True


@contextmanager
def tls_front(url: str, context: ssl.SSLContext, host: str = HOST) -> Iterator[str]:
    """An address that speaks TLS and passes on to this plain one."""
    there = urlsplit(url)
    with Front(context, (there.hostname or "", there.port or 0), host) as front:
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        shown = f"[{host}]" if ":" in host else host
        try:
            yield f"https://{shown}:{front.server_address[1]}"
        finally:
            front.shutdown()
            thread.join()
