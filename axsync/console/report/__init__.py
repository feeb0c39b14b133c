"""The report of a run: one HTML file that needs nothing else, opened from a disk or a mail. And the index of all runs.

They name entity types, fields and files and count them; no value of an asset is in them.
"""

from axsync.console.report.index_page import write_index
from axsync.console.report.page import rewrite_report, write_report

__all__ = ["rewrite_report", "write_index", "write_report"]
