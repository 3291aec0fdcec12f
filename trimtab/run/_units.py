"""Times and sizes as people write them: "2h", "90s", "16GB"."""

from __future__ import annotations

import re

NAMES = {1e-3: "ms", 1.0: "s sec second", 60.0: "m min minute", 3600.0: "h hr hour", 86400.0: "d day"}
TIMES = {name: size for size, names in NAMES.items() for name in names.split()}
TIMES |= {f"{name}s": size for name, size in TIMES.items() if len(name) > 2}
SIZES = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def seconds(value: float | str | None) -> float | None:
    """2, "2s", "1.5h", "1h30m" in seconds."""
    if value is None or isinstance(value, (int, float)):
        return value
    parts = re.findall(r"([\d.]+)\s*([a-z]*)", value.strip().lower())
    if (
        not parts
        or re.sub(r"[\d.]+\s*[a-z]*\s*", "", value.strip().lower())
        or any(u and u not in TIMES for _, u in parts)
    ):
        raise ValueError(f'{value!r} is no time. Write seconds, or "90s", "10m", "2h", "1h30m".')
    return sum(float(n) * TIMES[u or "s"] for n, u in parts)


def size(value: float | str) -> int:
    """A size in bytes. "16GB" and "16GiB" are the same: powers of 1024, as memory is sold."""
    if isinstance(value, (int, float)):
        return int(value)
    found = re.fullmatch(r"([\d.]+)\s*([kmgt]?)(?:i?b)?", value.strip().lower())
    if not found:
        raise ValueError(f'{value!r} is no size. Write bytes, or "512MB", "16GB".')
    return int(float(found[1]) * SIZES[found[2].upper() or "B"])
