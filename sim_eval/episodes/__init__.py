"""Episodes of picking: drawn from a protocol, run for every planner, and recorded."""
