"""A study at a glance: one frozen snapshot of the ledger, and the words for numbers, times and configurations.

The live display, the final summary and `trimtab show` all read this, so they can't disagree.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trimtab.errors import SpaceError
from trimtab.history import State
from trimtab.study._stop import best_number
from trimtab.study._text import clean, cut

if TYPE_CHECKING:
    from trimtab.history import History, Ledger, Row

FIRST = 10  # trials that set the scale of the hypervolume
MEASURED = 300  # points of a front (of 2 or 3 objectives) up to which its hypervolume is told while a study runs
LONGEST = 40  # columns of one value


@dataclass(frozen=True, slots=True)
class Status:
    """What can be said of a study now.

    counted  trials that count towards trials=;  ended  of them, those that are over
    best     number of the best trial, None without one;  default  the number of the default configuration's trial
    value    of the best, `default_value` of the default, in words with the same digits
    limits   of the best, where there are constraints: "memory 6.2 <= 8"
    outside  the best could not be proposed any more, because the space was narrowed
    front    of several objectives: "7 trials", "hypervolume 0.812", "error 0.04 … 0.11", …
    note     why there is no best, where trials have ended
    steps    whether an objective was seen to report steps; None while nothing has ended or reported
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
    limits: str = ""
    outside: bool = False
    front: tuple[str, ...] = ()
    note: str = ""
    elsewhere: str = ""  # "4 here, 2 on node3"
    steps: bool | None = None


def status(ledger: Ledger, history: History, me: str = "") -> Status:
    """The snapshot. O(n) in numpy; callers keep it until the log's version changes."""
    counts, waiting = ledger.counts, len(ledger.waiting)
    failed = [ledger.rows[i] for i in np.flatnonzero(ledger.state.rows() == State.FAILED)]
    kinds = Counter(clean(str((row.error or {}).get("kind", row.word))) for row in failed if row.valid)
    told: dict[str, Any] = {}
    if len(ledger.objectives) == 1:
        told = _one(ledger, history)
    elif ledger.objectives:
        told = {"front": _several(ledger, history), "note": _infeasible(ledger, history)}
    return Status(
        counted=ledger.counted, ended=counts["finished"] + counts["stopped"] + counts["failed"],
        running=counts["running"] - waiting, paused=counts["paused"], queued=waiting + len(ledger.queue),
        finished=counts["finished"], stopped=counts["stopped"], failed=counts["failed"], invalid=ledger.invalid,
        failures=tuple(kinds.most_common()), elsewhere=_elsewhere(ledger, me), steps=_steps(ledger), **told,
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
    shell = "" if where == "memory" else f" or: trimtab show {where} --failures"
    return f"{text} Failures: study.failures(){shell}"


def _one(ledger: Ledger, history: History) -> dict[str, Any]:
    name, number = ledger.objectives[0], best_number(history)
    if number is None:
        return {"objective": clean(name), "note": _infeasible(ledger, history)}
    row, places = ledger.rows[number], decimals(history)
    told = {
        "objective": clean(name),
        "best": number,
        "value": fixed(row.values[name], places),
        "config": config_words(row.config),
        "limits": ", ".join(_held(text, row.metrics) for text in ledger.constraints),
        "outside": outside(ledger, row),
    }
    if row.sem.get(name) is not None:
        told["sem"] = fixed(row.sem[name], places)
    base = default_row(ledger)
    if base is not None and base.values.get(name) is not None:
        told |= {"default": base.number, "default_value": fixed(base.values[name], places)}
    return told


LIMIT = re.compile(r"\s*([A-Za-z_][\w./]*)\s*(<=?|>=?)\s*([-+0-9.eE]+)\s*")  # memory <= 8


def _held(text: str, metrics: Mapping[str, float]) -> str:
    """`memory 6.2 <= 8` for "memory <= 8"; other expressions as they stand."""
    found = LIMIT.fullmatch(text)
    if found is None or found[1] not in metrics:
        return clean(text)
    return f"{clean(found[1])} {metrics[found[1]]:.3g} {found[2]} {found[3]}"


def _closest(text: str, miss: float) -> str:
    """How near an infeasible trial came: `closest 8.4` where the limit is a plain number."""
    found = LIMIT.fullmatch(text)
    if found is None:
        return f"the closest misses by {miss:.3g}"
    return f"closest {float(found[3]) + (miss if found[2][0] == '<' else -miss):.4g}"


def outside(ledger: Ledger, row: Row) -> bool:
    """Whether the space, narrowed since, no longer holds this configuration. Names that came or went don't matter."""
    if len(ledger.definitions) < 2 or ledger.definitions[-1].get("open"):
        return False
    space = ledger.space
    try:
        space.check({name: value for name, value in row.config.items() if name in space}, partial=True)
    except SpaceError:
        return True
    return False


def _infeasible(ledger: Ledger, history: History) -> str:
    """`none feasible yet (31 trials break "memory <= 8", closest 8.4)`, or nothing."""
    if not ledger.constraints or not len(history):
        return ""
    known = ~np.isnan(history.Y).any(axis=1)
    if not known.any() or (history.C[known] <= 0).all(axis=1).any():
        return ""
    limits = history.C[known]
    j = int(np.argmax((limits > 0).sum(axis=0)))
    broken = limits[limits[:, j] > 0, j]
    if not len(broken):
        return f'none feasible yet ("{clean(ledger.constraints[j])}" was not measured)'
    near = _closest(ledger.constraints[j], float(broken.min()))
    broke = f"{len(broken)} trials break" if len(broken) != 1 else "1 trial breaks"
    return f'none feasible yet ({broke} "{clean(ledger.constraints[j])}", {near})'


def _several(ledger: Ledger, history: History) -> tuple[str, ...]:
    """The front in words: how many trials, its hypervolume, and each objective's range."""
    from trimtab.parts.pareto import front

    good = _eligible(history)
    if not good.any():
        return ()
    Y = history.Y[good]
    Y = Y[front(Y)]
    words = [f"{len(Y)} trial{'s' * (len(Y) != 1)}"]
    if (volume := _hypervolume(history, Y)) is not None:
        words.append(f"hypervolume {volume:.3f}")
    for j, name in enumerate(ledger.objectives):
        low, high = sorted((float(ledger.signs[j] * Y[:, j].min()), float(ledger.signs[j] * Y[:, j].max())))
        span = f"{low:.3g} … {high:.3g}" if f"{low:.3g}" != f"{high:.3g}" else f"{low:.3g}"
        words.append(f"{cut(clean(name), LONGEST)} {span}")
    return tuple(words)


def _hypervolume(history: History, front: NDArray[np.float64]) -> float | None:
    """Of the front, below the worst of the first ten trials; 1 is the box from their best to their worst.

    Those ten are fixed, so the number only grows. None where that is not known yet, or would take long.
    """
    from trimtab.parts.pareto import hypervolume

    ended = np.isin(history.state, (State.FINISHED, State.STOPPED)) & np.isfinite(history.Y).all(axis=1)
    first = history.Y[np.flatnonzero(ended)[:FIRST]]
    if len(first) < FIRST or front.shape[1] > 3 or len(front) > MEASURED:
        return None
    best, worst = first.min(axis=0), first.max(axis=0)
    width = np.where(worst > best, worst - best, 1.0)
    return hypervolume((front - worst) / width, np.zeros(front.shape[1]))


def _eligible(history: History) -> NDArray[np.bool_]:
    """Trials that could be the best: with values, feasible, and not failed."""
    good = np.asarray(~np.isnan(history.Y).any(axis=1), dtype=np.bool_)
    good &= np.isin(history.state, (State.FINISHED, State.STOPPED, State.PAUSED))
    if history.constraints:
        good &= (history.C <= 0).all(axis=1)
    return good


def _steps(ledger: Ledger) -> bool | None:
    """Whether objectives of this study report steps, as far as was seen."""
    if any(row.step is not None for row in ledger.alive.values()):
        return True
    ended = [row for row in ledger.rows[-50:] if row.ended is not None and row.state is not State.FAILED]
    return any(row.step is not None for row in ended) if ended else None


def default_row(ledger: Ledger) -> Row | None:
    """Trial 0, where it is the default configuration: the baseline of every gain."""
    if not ledger.rows:
        return None
    row = ledger.rows[0]
    return row if row.valid and row.cause == "queue" and row.config == ledger.space.default else None


def _place(owner: str | None, me: str) -> str:
    if owner == me:
        return "here"
    if owner is None or owner.startswith("hand:"):
        return "asked by hand"
    host = owner.partition(":")[0]
    return "in another process" if host == me.partition(":")[0] else f"on {cut(clean(host), LONGEST)}"


def _elsewhere(ledger: Ledger, me: str) -> str:
    """Where the running trials run, when it is not all in this process."""
    places = Counter(_place(row.owner, me) for row in ledger.alive.values())
    return "" if not me or set(places) <= {"here"} else ", ".join(f"{n} {place}" for place, n in places.items())


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────


def decimals(history: History) -> int:
    """Digits after the point: so many that the best differs from the second best, 4 to 6 significant ones."""
    y = history.Y[_eligible(history), 0]
    if not len(y) or not math.isfinite(best := float(y.min())):
        return 4
    others = y[y > best]
    scale = math.floor(math.log10(abs(best))) if best else 0
    for digits in range(4, 7):
        places = max(0, digits - 1 - scale)
        if not len(others) or fixed(best, places) != fixed(float(others.min()), places):
            break
    return places


def fixed(value: float, places: int) -> str:
    """The value with so many decimals; very small and very large ones with an exponent."""
    if not math.isfinite(value):
        return str(value)
    if value and (places > 7 or abs(value) >= 1e9):
        digits = places + 1 + math.floor(math.log10(abs(value)))
        return f"{value:.{min(6, max(1, digits))}g}"
    return f"{round(value, places) + 0.0:.{min(places, 7)}f}"  # + 0.0: no minus before a zero


def plain(value: Any) -> str:
    """A parameter's value: three significant digits for a real number."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.3g}"
    return cut(clean(str(value)), LONGEST)


def config_words(config: Mapping[str, Any]) -> str:
    """`model=svm  C=12.6`: the last part of a dotted name, where that is enough."""
    last = Counter(name.rpartition(".")[2] for name in config)
    short = {name: tail if last[tail := name.rpartition(".")[2]] == 1 else name for name in config}
    return "  ".join(f"{cut(clean(short[name]), LONGEST)}={plain(value)}" for name, value in config.items())


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
    """A rough duration: about 40 s, about 2 min, about 3 h, about 6 d."""
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"about {seconds / 86_400:.0f} d"


def failed_words(kinds: Sequence[tuple[str, int]], *, alone: bool = True) -> str:
    """`MemoryError`, or `58 × ValueError, 2 × lost`. alone: there are no further kinds."""
    if len(kinds) == 1 and alone:
        return kinds[0][0]
    return ", ".join(f"{n} × {kind}" for kind, n in kinds[:3])
