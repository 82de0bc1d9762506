"""Looking at objects and labels: the commands `graspnet objects` and `graspnet audit`, and their pages."""
