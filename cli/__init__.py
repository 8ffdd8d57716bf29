"""The `kerasnets` command; installed as kerasnets.cli."""
