"""The `kerasnets` command; installed as kerasnets.cli."""

import time

# When the command began: before anything heavy is imported.
BEGAN = time.perf_counter()
