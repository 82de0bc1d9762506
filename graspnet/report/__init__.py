"""Reports: what is in a dataset, a model or a plan, as pages and as text."""
