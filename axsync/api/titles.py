"""What people call the entity types: the names of the product's pages, which are not those of its API."""

OWN = {"vulnerability_instances": "Security Findings", "vulnerabilities": "Aggregated Security Findings"}
"""Pages that version 8.0 calls otherwise, while the slugs stayed: see docs/axonius-api.md, "Asset types"."""

SPELLED = {"saas": "SaaS", "iot": "IoT", "iomt": "IoMT", "ot": "OT", "nat": "NAT", "urls": "URLs"}
"""Words that are not written with one capital letter."""


def title_of(slug: str, told: str = "") -> str:
    """The title of an entity type: what the server told, else the product's own word for it, else made of the slug."""
    return told.strip() or OWN.get(slug) or " ".join(_spelled(word) for word in slug.split("_"))


def _spelled(word: str) -> str:
    return SPELLED.get(word, word.capitalize())
