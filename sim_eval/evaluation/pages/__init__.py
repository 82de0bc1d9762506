"""The page of an evaluation, in words, tables and pictures."""
