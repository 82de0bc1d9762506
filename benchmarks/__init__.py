"""One file a benchmark: each prints JSON with a ratio to a reference measured beside it."""
