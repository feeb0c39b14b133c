"""What readers of tables answer with, in one form: tables are asked for on stdin, their rows are told on stdout.

A line of JSON each: what the manifest pins of a table, with addresses in full, and the rows of that version. The
environments of the readers have no axsync. Keys of stores are in the variables of AWS.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

Reader = Callable[[Mapping[str, Any]], pa.Table]
_KEYS = {"access-key-id": "AWS_ACCESS_KEY_ID", "secret-access-key": "AWS_SECRET_ACCESS_KEY"}
_PLACE = {"endpoint": "AWS_ENDPOINT_URL", "region": "AWS_REGION"}
PYICEBERG = {f"s3.{name}": os.environ[told] for name, told in (_KEYS | _PLACE).items() if told in os.environ}
"""How pyiceberg reaches the store that the variables name: it reads none of AWS but through profiles."""


def answer(readers: Mapping[str, Reader]) -> None:
    """Read all tables that are asked for, each by the reader of its format. The process ends here."""
    for line in sys.stdin:
        wish = json.loads(line)
        rows = readers[wish["format"]](wish).to_pylist()
        sys.stdout.write(json.dumps([{name: form_of(value) for name, value in row.items()} for row in rows]) + "\n")
        sys.stdout.flush()
    os._exit(0)  # all is said; threads of pyarrow, of which delta-rs leaves some, may abort an orderly end


def form_of(value: Any) -> Any:  # noqa: ANN401  any value
    """A value in JSON; whatever differs in type or in null differs here."""
    match value:
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
        case list():
            return [form_of(one) for one in value]
        case dict():
            return {name: form_of(one) for name, one in value.items()}
    return value
