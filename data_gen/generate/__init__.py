"""Generation: the command `graspnet generate`, from a config to the shards of a dataset."""
