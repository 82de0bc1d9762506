"""Sets: object-poses that are frozen, so that everybody meets the same ones."""
