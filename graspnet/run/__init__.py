"""Runs: what every long command needs, whatever it makes: workers, options, records, progress, storage."""
