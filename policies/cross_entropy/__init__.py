"""The cross-entropy method: the search that plans by default."""
