"""A planner in the loop: episodes of picking, statistics, reports."""
