"""Planners: whoever is asked for a plan in a trial: a policy, a ceiling that sees the truth, or an outside program."""
