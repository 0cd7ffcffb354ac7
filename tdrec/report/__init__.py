"""The report of a study, from its rows: claims, the evidence for them, and how to reproduce it."""

from tdrec.report.report import write_report

__all__ = ["write_report"]
