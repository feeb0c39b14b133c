"""What is said of an instance."""

from dataclasses import dataclass
from typing import Annotated, Literal

from axsync.model import MAX_LIMIT
from axsync.settings.address import normal_url
from axsync.settings.bounds import GIB, Between, Bytes, Seconds, check_bounds
from axsync.settings.words import check_names, check_reference

Api = Literal["auto", "v1", "v2"]
Paging = Literal["auto", "offset", "token", "cursor"]


@dataclass(frozen=True, slots=True)
class CredentialReference:
    """Where key and secret are kept: `env:NAME`, `file:PATH`, `keyring:NAME` or `command:ARGV` each."""

    api_key: str
    api_secret: str

    def __post_init__(self) -> None:
        check_reference(self.api_key, called="api_key")
        check_reference(self.api_secret, called="api_secret")


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """One Axonius deployment: how it is reached, and how hard it may be asked."""

    name: str
    url: str  # scheme://host[:port]
    credential: CredentialReference
    api: Api = "auto"
    requests_per_second: Annotated[float, Between(0.01, 10_000)] = 10.0
    in_flight: Annotated[int, Between(1, 256)] = 4  # requests at once
    page_size: Annotated[int, Between(1, MAX_LIMIT)] = 2000  # rows
    paging: Paging = "auto"
    connect_seconds: Seconds = 10.0
    read_seconds: Seconds = 300.0  # between two bytes of an answer
    page_seconds: Seconds = 900.0  # a whole answer
    max_page_bytes: Bytes = GIB  # decoded
    tries: Annotated[int, Between(1, 100)] = 6
    allow_plain_http: bool = False
    ca_file: str = ""  # PEM; empty: the system's

    def __post_init__(self) -> None:
        check_bounds(self)
        check_names("name", [self.name])
        object.__setattr__(self, "url", normal_url(self.url, allow_plain_http=self.allow_plain_http))
