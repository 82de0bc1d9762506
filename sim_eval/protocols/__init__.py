"""Protocols: what episodes are drawn from, and what names a run."""
