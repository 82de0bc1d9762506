"""YAML presets, by room: generate, train, policy, simulate, cameras, grippers."""
