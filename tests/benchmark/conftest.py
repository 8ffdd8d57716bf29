"""Makes jobs importable from the tests beside it, and from their workers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
