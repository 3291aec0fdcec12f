"""Where the benchmark data is, for tests that read real tables and surrogates."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PLACES = ("../shared/data", "../../shared/data")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with yahpo/ and steplaw/; the test is skipped where it is not there."""
    root = Path(__file__).parents[2]
    for place in (os.environ.get("TRIMTAB_BENCH_DATA", ""), *PLACES):
        folder = (root / place).resolve()
        if place and (folder / "yahpo").is_dir():
            return folder
    pytest.skip("no benchmark data here: set TRIMTAB_BENCH_DATA to a folder with yahpo/ and steplaw/")
