"""Axonius' own client, into one JSON file. Run: python official.py URL FOLDER FIELDS.json (keys in the environment)."""

import json
import os
import sys
from pathlib import Path

import axonius_api_client as axon

url, folder, fields = sys.argv[1], Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text("utf-8"))
client = axon.Connect(
    url=url, key=os.environ["AX_KEY"], secret=os.environ["AX_SECRET"], certwarn=False, log_console=False, log_file=False
)
client.start()
rows = client.devices.get(
    fields=fields,
    fields_default=False,
    fields_error=False,
    page_size=2000,
    export="json",
    export_file="devices.json",
    export_path=str(folder),
    export_overwrite=True,
    generator=True,
)
print(sum(1 for _ in rows))
