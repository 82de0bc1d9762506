"""Planners: whoever is asked for a plan: a policy, a ceiling that sees the truth, or an outside program."""
