"""A study at a glance: one frozen snapshot of the ledger, and the words for numbers, times and configurations.

The live display, the final summary and `trimtab show` all read this, so they can't disagree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.history import State
from trimtab.study._stop import best_number

if TYPE_CHECKING:
    from trimtab.history import History, Ledger, Row

ENDED = (State.FINISHED, State.STOPPED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Status:
    """What can be said of a study now.

    counted  trials that count towards trials=;  ended  of them, those that are over
    best     number of the best trial, None without one;  default  the number of the default configuration's trial
    value    of the best, `default_value` of the default, in words with the same digits
    """

    counted: int
    ended: int
    running: int
    paused: int
    queued: int
    finished: int
    stopped: int
    failed: int
    invalid: int
    failures: tuple[tuple[str, int], ...] = ()
    objective: str = ""
    best: int | None = None
    value: str = ""
    sem: str = ""
    default: int | None = None
    default_value: str = ""
    config: str = ""
    note: str = ""  # of a study without a single best: its front, or what is infeasible
    elsewhere: str = ""  # "4 here, 2 on node3"


def status(ledger: Ledger, history: History, me: str = "") -> Status:
    """The snapshot. O(n) in numpy; callers keep it until the log's version changes."""
    counts, waiting = ledger.counts, len(ledger.waiting)
    failed = [ledger.rows[i] for i in np.flatnonzero(ledger.state.rows() == State.FAILED)]
    kinds = Counter(str((row.error or {}).get("kind", row.word)) for row in failed if row.valid)
    told: dict[str, Any] = {}
    if len(ledger.objectives) == 1:
        told = _one(ledger, history)
    elif ledger.objectives:
        told = {"note": _several(ledger, history)}
    return Status(
        counted=ledger.counted, ended=counts["finished"] + counts["stopped"] + counts["failed"],
        running=counts["running"] - waiting, paused=counts["paused"], queued=waiting + len(ledger.queue),
        finished=counts["finished"], stopped=counts["stopped"], failed=counts["failed"], invalid=ledger.invalid,
        failures=tuple(kinds.most_common()), elsewhere=_elsewhere(ledger, me), **told,
    )  # fmt: skip


def nothing_yet(name: str, ledger: Ledger, where: str) -> str:
    """Why there is no best trial."""
    counts = {**ledger.counts, "queued": len(ledger.waiting), "running": ledger.counts["running"] - len(ledger.waiting)}
    words = [f"{counts[w]} {w}" for w in ("running", "queued", "paused", "failed", "finished") if counts[w]]
    told = ", ".join(words) or "no trials"
    if ledger.constraints and counts["finished"] + counts["stopped"]:
        y, limits = ledger.Y.rows()[:, 0], ledger.C.rows()
        done = ~np.isnan(y)
        worst = np.max(limits[done], axis=1)
        near = float(np.nanmin(worst)) if not np.isnan(worst).all() else math.nan
        broken = ", ".join(f'"{text}"' for text in ledger.constraints)
        return f'"{name}" has no feasible trial yet ({told}): all break {broken}; the closest misses by {near:.4g}.'
    text = f'"{name}" has no finished trial yet ({told}), so there is no best.'
    if not counts["failed"]:
        return text
    shell = "" if where.startswith("Memory") else f" or: trimtab show {where} --failures"
    return f"{text} Failures: study.failures(){shell}"


def _one(ledger: Ledger, history: History) -> dict[str, Any]:
    name, number = ledger.objectives[0], best_number(history)
    if number is None:
        return {"objective": name, "note": _infeasible(ledger, history)}
    row, places = ledger.rows[number], decimals(history)
    told = {
        "objective": name,
        "best": number,
        "value": fixed(row.values[name], places),
        "config": config_words(row.config),
    }
    if row.sem.get(name) is not None:
        told["sem"] = fixed(row.sem[name], places)
    base = default_row(ledger)
    if base is not None and base.values.get(name) is not None:
        told |= {"default": base.number, "default_value": fixed(base.values[name], places)}
    if ledger.constraints:
        told["note"] = "feasible"
    return told


def _infeasible(ledger: Ledger, history: History) -> str:
    """`none feasible yet (31 trials break "memory <= 8", closest misses by 0.4)`, or nothing."""
    if not ledger.constraints or not len(history):
        return ""
    known = ~np.isnan(history.Y[:, 0])
    if not known.any():
        return ""
    limits = history.C[known]
    j = int(np.argmax((limits > 0).sum(axis=0)))
    broken = int((limits[:, j] > 0).sum())
    near = float(np.nanmin(limits[:, j])) if not np.isnan(limits[:, j]).all() else math.nan
    return f'none feasible yet ({broken} trials break "{ledger.constraints[j]}", the closest misses by {near:.3g})'


def _several(ledger: Ledger, history: History) -> str:
    from trimtab.parts.pareto import front

    good = np.isin(history.state, (State.FINISHED, State.STOPPED)) & ~np.isnan(history.Y).any(axis=1)
    if history.constraints:
        good &= (history.C <= 0).all(axis=1)
    if not good.any():
        return ""
    Y = history.Y[good]
    Y = Y[front(Y)]
    ranges = []
    for j, name in enumerate(ledger.objectives):
        low, high = sorted((float(ledger.signs[j] * Y[:, j].min()), float(ledger.signs[j] * Y[:, j].max())))
        ranges.append(f"{name} {low:.3g} … {high:.3g}" if low != high else f"{name} {low:.3g}")
    return "   ".join([f"{len(Y)} trial{'s' * (len(Y) != 1)}", *ranges])


def default_row(ledger: Ledger) -> Row | None:
    """Trial 0, where it is the default configuration: the baseline of every gain."""
    if not ledger.rows:
        return None
    row = ledger.rows[0]
    return row if row.valid and row.cause == "queue" and row.config == ledger.space.default else None


def _elsewhere(ledger: Ledger, me: str) -> str:
    """Where the running trials run, when it is not all in this process."""
    places: Counter[str] = Counter()
    for row in ledger.alive.values():
        places[
            "here" if row.owner == me else "asked by hand" if row.owner is None else f"on {row.owner.split(':')[0]}"
        ] += 1
    return "" if not me or set(places) <= {"here"} else ", ".join(f"{n} {place}" for place, n in places.items())


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────


def decimals(history: History) -> int:
    """Digits after the point: so many that the best differs from the second best, 4 to 6 significant ones."""
    y = np.unique(history.Y[~np.isnan(history.Y[:, 0]), 0])
    if not len(y) or not math.isfinite(y[0]):
        return 4
    scale = math.floor(math.log10(abs(y[0]))) if y[0] else 0
    for digits in range(4, 7):
        places = max(0, digits - 1 - scale)
        if len(y) == 1 or fixed(y[0], places) != fixed(y[1], places):
            return places
    return places


def fixed(value: float, places: int) -> str:
    """The value with so many decimals; very small and very large ones with an exponent."""
    if not math.isfinite(value):
        return str(value)
    if places > 9 or abs(value) >= 1e9:
        return f"{value:.4g}"
    return f"{value:.{places}f}"


def plain(value: Any) -> str:
    """A parameter's value: three significant digits for a real number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)


def config_words(config: Mapping[str, Any]) -> str:
    """`model=svm  C=12.6`: the last part of a dotted name, where that is enough."""
    last = Counter(name.rpartition(".")[2] for name in config)
    short = {name: tail if last[tail := name.rpartition(".")[2]] == 1 else name for name in config}
    return "  ".join(f"{short[name]}={plain(value)}" for name, value in config.items())


def duration(seconds: float) -> str:
    """12.3 s, 3 min 12 s, 2 h 05 min, 3 d 4 h."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def about(seconds: float) -> str:
    """A rough duration: about 40 s, about 2 min, about 3 h."""
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.0f} h"


def failed_words(kinds: Sequence[tuple[str, int]]) -> str:
    """`MemoryError`, or `58 × ValueError, 2 × lost`."""
    if len(kinds) == 1:
        return kinds[0][0]
    return ", ".join(f"{n} × {kind}" for kind, n in kinds[:3])
