"""What importing costs: trimtab beside numpy and optuna.

Each import is timed in fresh interpreters, in CPU time, taking turns so that a busy machine slows all alike; what an
empty interpreter takes is subtracted. The ratio that matters is trimtab to numpy: it should stay near 1.

    python benchmarks/import_time.py [rounds]
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from statistics import median

CASES = {"nothing": "pass", "numpy": "import numpy", "trimtab": "import trimtab", "Study": "from trimtab import Study",
         "optuna": "import optuna"}  # fmt: skip
CODE = "import resource; {}; u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"


def seconds(statement: str) -> float:
    """CPU seconds of one fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", CODE.format(statement)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main(rounds: int) -> None:
    cases = {name: code for name, code in CASES.items() if name != "optuna" or importlib.util.find_spec("optuna")}
    for code in cases.values():
        seconds(code)  # once for the byte code and the page cache
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, code in cases.items():
            times[name].append(seconds(code))
    empty = min(times["nothing"])
    numpy = min(times["numpy"]) - empty
    print(f"{'import':<10} {'min ms':>8} {'median ms':>10} {'/ numpy':>8}")
    for name, taken in times.items():
        low = min(taken) - empty
        print(f"{name:<10} {1e3 * low:>8.1f} {1e3 * (median(taken) - empty):>10.1f} {low / numpy:>8.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
