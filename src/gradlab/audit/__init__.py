"""Audits any notebook: which of its printed numbers come out again, and why the others do not."""
