"""What `from trimtab import Study` loads: what a study is, and nothing of how it is run."""

from __future__ import annotations

import subprocess
import sys

RUNS = {"trimtab.study._driver", "trimtab.study._hand", "trimtab.run.trial", "trimtab.study._objective"}
SLOW = {"subprocess", "tempfile", "socket", "html", "difflib", "sqlalchemy", "scipy", "pandas", "rich", "click"}


def test_the_handle_loads_nothing_of_running() -> None:
    code = "import sys; from trimtab import Study, Float; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(done.stdout.split()) & (RUNS | SLOW)
