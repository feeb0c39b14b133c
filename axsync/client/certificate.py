"""Reads the facts that `axsync check` shows of a certificate."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from axsync.model import iso

if TYPE_CHECKING:
    from cryptography import x509

MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Certificate:
    """Subject names, issuer, expiry, and days left; negative if expired."""

    names: str
    issuer: str
    expires: str  # ISO, UTC
    days_left: int

    def __str__(self) -> str:
        day = self.expires[:10]
        if self.days_left < 0:
            return f"issued by {self.issuer}, expired {day}"
        days = "1 day" if self.days_left == 1 else f"{self.days_left} days"
        return f"issued by {self.issuer}, expires {day} ({days} left)"

    def facts(self) -> dict[str, str | int | float | None]:
        """The same facts as a mapping, for machines."""
        return {"names": self.names, "issuer": self.issuer, "expires": self.expires, "days_left": self.days_left}


def _names(found: "x509.Certificate") -> str:
    from cryptography import x509  # noqa: PLC0415  as below

    try:
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "nobody"
    names = [str(name.value) for name in listed]
    return ", ".join(names[:MOST_NAMES]) + (" and others" if len(names) > MOST_NAMES else "")


def read_certificate(der: bytes, *, now: datetime | None = None) -> Certificate:
    """Read a certificate in DER form. Raises: ValueError if it is not one."""
    from cryptography import x509  # noqa: PLC0415  only `axsync check` looks at certificates
    from cryptography.x509.oid import NameOID  # noqa: PLC0415  as above

    found = x509.load_der_x509_certificate(der)
    ends = found.not_valid_after_utc
    left = (ends - (now or datetime.now(UTC))) // timedelta(days=1)
    named = [
        str(attribute.value)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        for attribute in found.issuer.get_attributes_for_oid(oid)
    ]
    issuer = named[0] if named else found.issuer.rfc4514_string()
    return Certificate(_names(found), issuer, iso(ends), left)
