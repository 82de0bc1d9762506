"""Protocols: what trials are drawn from, and what names a run."""
