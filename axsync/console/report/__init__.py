"""The report of a run: one HTML file that needs nothing else, opened from a disk or a mail.

It names entity types, fields and files and counts them; no value of an asset is in it.
"""

from axsync.console.report.page import ReportFile, render, rewrite_report, write_report

__all__ = ["ReportFile", "render", "rewrite_report", "write_report"]
