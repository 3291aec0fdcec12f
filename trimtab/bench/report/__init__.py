"""From cells to a verdict: statistics, tables, pictures."""

from trimtab.bench.report._report import Report, report

__all__ = ["Report", "report"]
