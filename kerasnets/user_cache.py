"""Where things are kept that can be made again."""

import os
from pathlib import Path


def user_cache() -> Path:
    """The user's cache folder: KERASNETS_CACHE, else XDG_CACHE_HOME/kerasnets, else
    ~/.cache/kerasnets. It need not exist."""
    folder = os.environ.get("KERASNETS_CACHE")
    if not folder:
        folder = os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/kerasnets"
    return Path(folder).expanduser()
