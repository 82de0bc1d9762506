"""Analysis: what the trials of a protocol add up to."""
