"""Pages and pictures for people to look at: what a run says, as HTML."""
