"""Durations as people write them: 90, "90s", "15 min", "4h", "2d"."""

from __future__ import annotations

import re

UNITS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


def seconds(text: float | str) -> float:
    """Seconds of a duration."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        if not text >= 0:
            raise ValueError(f'{text} is no duration: give seconds, or text such as "4h".')
        return float(text)
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*", str(text).lower())
    if not found or found[2] not in UNITS:
        raise ValueError(f'{text!r} is no duration. Write seconds, or text such as "90s", "15 min", "4h", "2d".')
    return float(found[1]) * UNITS[found[2]]
