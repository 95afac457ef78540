"""The report: REPORT.md and REPORT.html, from what the experiments left behind."""

from kerasqueeze.study.report.write import compose, gather, write

__all__ = ["compose", "gather", "write"]
