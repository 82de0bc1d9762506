"""Looking at what was made: `graspnet inspect` checks a dataset, counts what is in it, and shows it on a page."""
