"""Puts the repository's root on the path: the tasks with known minima are shared with benchmarks/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
