"""A run's process, as `side_by_side` starts it, whose networks are narrow."""

import sys

import narrow

from kerasnets.paper.reproduction.run_process import main

if __name__ == "__main__":
    with narrow.narrowed():
        sys.exit(main())
