"""Settings of one instance."""

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from axsync.errors import ConfigError
from axsync.model import MAX_LIMIT
from axsync.settings.checks import (
    KIB,
    TIB,
    Between,
    Seconds,
    check_bounds,
    check_folder_names,
    check_names,
    check_reference,
    is_loopback,
    normal_proxy,
    normal_url,
)

Api = Literal["auto", "v1", "v2"]
Paging = Literal["auto", "offset", "token", "cursor"]

NO_PROXY = "none"
"""The value of `proxy` that means a direct connection, whatever the environment says."""


@dataclass(frozen=True, slots=True)
class CredentialReference:
    """References to key and secret: `env:NAME`, `file:PATH`, `keyring:NAME`, `systemd:NAME` or `command:ARGV` each."""

    api_key: str
    api_secret: str

    def __post_init__(self) -> None:
        check_reference(self.api_key, called="api_key")
        check_reference(self.api_secret, called="api_secret")


@dataclass(frozen=True, slots=True)
class StoredCredential:
    """The name of a credential in the store. It is sent only to the host it belongs to."""

    name: str

    def __post_init__(self) -> None:
        check_names("credential", [self.name])


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """One Axonius deployment: how it is reached, and its request limits."""

    name: str
    url: str  # scheme://host[:port]
    credential: CredentialReference | StoredCredential
    api: Api = "auto"
    requests_per_second: Annotated[float, Between(0.01, 10_000)] = 10.0
    in_flight: Annotated[int, Between(1, 256)] = 4  # concurrent requests
    page_size: Annotated[int, Between(1, MAX_LIMIT)] = 2000  # rows
    page_bytes: Annotated[int | None, Between(4 * KIB, TIB)] = None  # of one answer; None: buffer_bytes / in_flight
    paging: Paging = "auto"
    connect_seconds: Seconds = 10.0
    read_seconds: Seconds = 300.0  # between two bytes of an answer
    page_seconds: Seconds = 900.0  # a whole answer
    max_page_bytes: Annotated[int, Between(0, TIB)] = 0  # of one answer, decoded; 0: what buffer_bytes allows
    tries: Annotated[int, Between(1, 100)] = 6
    allow_plain_http: bool = False
    ca_file: str = ""  # PEM; empty: the system's
    client_cert: str = ""  # PEM; shown to the server
    client_key: str = ""  # PEM; empty: contained in `client_cert`
    client_key_password: str = ""  # a reference
    insecure_tls: bool = False
    proxy: str = ""  # scheme://host[:port], or none; empty: as the environment says
    proxy_user: str = ""
    proxy_password: str = ""  # a reference
    weight: Annotated[int, Between(1, 100)] = 1  # turns beside other instances, where memory or lanes are short
    tags: tuple[str, ...] = ()  # by which instances are chosen

    def __post_init__(self) -> None:
        check_bounds(self)
        check_folder_names("name", [self.name])
        check_names("tags", self.tags)
        if 0 < self.max_page_bytes < 4 * KIB:
            raise ConfigError(f"max_page_bytes must be 0 or at least 4KiB, not {self.max_page_bytes}")
        object.__setattr__(self, "url", normal_url(self.url, allow_plain_http=self.allow_plain_http))
        self._check_certificates()
        self._check_proxy()

    def _check_certificates(self) -> None:
        if self.insecure_tls and self.ca_file:
            raise ConfigError("insecure_tls and ca_file cannot both be set: without verification ca_file is not used")
        for name in ("client_key", "client_key_password"):
            if getattr(self, name) and not self.client_cert:
                raise ConfigError(f"{name} requires client_cert")
        if self.client_key_password:
            check_reference(self.client_key_password, called="client_key_password")

    def _check_proxy(self) -> None:
        if self.proxy and self.proxy != NO_PROXY:
            object.__setattr__(self, "proxy", normal_proxy(self.proxy))
        elif self.proxy_user or self.proxy_password:
            raise ConfigError("proxy_user and proxy_password require proxy")
        if bool(self.proxy_user) != bool(self.proxy_password):
            raise ConfigError("proxy_user and proxy_password must be set together")
        if ":" in self.proxy_user or not self.proxy_user.isprintable():
            raise ConfigError("proxy_user contains a colon or an invisible character")
        if self.proxy_password:
            check_reference(self.proxy_password, called="proxy_password")
        if self._leaves_in_clear_text():
            raise ConfigError("proxy would get the keys unencrypted; use https or allow_plain_http = true")

    def _leaves_in_clear_text(self) -> bool:
        # Plain http to this machine is harmless unless a proxy elsewhere carries it.
        if self.allow_plain_http or not self.url.startswith("http:") or self.proxy in ("", NO_PROXY):
            return False
        return not is_loopback(urlsplit(self.proxy).hostname or "")
