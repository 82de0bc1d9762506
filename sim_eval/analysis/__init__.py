"""Analysis: what the episodes of a protocol add up to."""
