"""Studies of many runs: sweeps over settings, policies and seeds, and what a node can sustain."""
