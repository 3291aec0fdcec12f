"""Numbers and names as a reader sees them, and the sentences that a report makes of its findings."""

from __future__ import annotations

import math
from collections.abc import Iterable

from trimtab.bench.report.findings import Diagram, Findings, Track, Triple
from trimtab.study._text import clean

NONE = "–"
FEW = 10  # tasks below which a test can hardly tell many optimizers apart
TITLES = {
    "blackbox": "One objective, every evaluation whole",
    "objectives": "Several objectives",
    "steps": "Trials that may be stopped early, at equal cost",
}
UNITS = {"blackbox": "evaluations", "objectives": "evaluations", "steps": "full evaluations"}
STATES = {
    "crashed": "crashed",
    "timeout": "ran out of time",
    "refused": "refused: the optimizer can't take such a task",
    "missing": "missing: a package or data is not there",
    "empty": "found nothing: no evaluation succeeded",
}


def short(value: float | None, digits: int = 3) -> str:
    """Three significant digits, without a zero that says nothing.

    >>> [short(v) for v in (0.012345, 123.4, 1234567.0, 0.00001234, 0.0, 2.0, None)]
    ['0.0123', '123', '1.23e6', '1.23e-5', '0', '2.00', '–']
    """
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    size = abs(float(text))
    if not 1e-3 <= size < 1e5:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def between(found: Triple, digits: int = 3) -> str:
    """The interval alone: "0.010–0.015"; "" where there is none."""
    _, low, high = found
    return "" if low is None or high is None else f"{short(low, digits)}–{short(high, digits)}"


def within(found: Triple, digits: int = 3) -> str:
    """The estimate and its interval: "0.0123 [0.0100–0.0151]"; `digits` are the interval's."""
    interval = between(found, digits)
    return f"{short(found[0])} [{interval}]" if interval else short(found[0])


def percent(share: float | None) -> str:
    return NONE if share is None else f"{share:.0%}"


def count(n: float, what: str) -> str:
    """ "1 task", "3 tasks", "2.5 evaluations" """
    return f"{n if isinstance(n, int) else f'{n:g}'} {what}{'' if n == 1 else 's'}"


def counts(low: int, high: int, what: str) -> str:
    """ "1 seed", "5 seeds", "1–5 seeds" """
    return f"{span(low, high)} {what}{'' if high == 1 else 's'}"


def evaluations(track: Track) -> str:
    """The last budget: "100 evaluations"."""
    return count(track.budgets[-1], UNITS[track.kind].removesuffix("s"))


def listed(words: Iterable[str], most: int = 6) -> str:
    """ "a, b and c"; of many the first ones and how many more.

    >>> listed(["a", "b", "c"]), listed("abcdefgh", most=3)
    ('a, b and c', 'a, b, c and 5 more')
    """
    found = list(words)
    if len(found) > most:
        found = [*found[:most], f"{len(found) - most} more"]
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)


def span(low: object, high: object) -> str:
    return str(low) if low == high else f"{low}–{high}"


def alike(diagram: Diagram | None, method: str) -> list[str]:
    """Who can't be told from the method, best first."""
    if diagram is None:
        return []
    together = {name for group in diagram.groups if method in group for name in group}
    return [name for name in diagram.names if name in together and name != method]


def summary(found: Findings) -> list[str]:
    """What was found, in plain sentences: one or two for each kind of task."""
    told = [sentence for track in found.tracks.values() for sentence in _about(track, found.against)]
    return told or ["No run came to an end, so there is nothing to compare."]


def _about(track: Track, against: str | None) -> list[str]:
    if not track.rows:
        return [f"{TITLES[track.kind]}: no run that can be judged came to an end, so there is nothing to compare."]
    best, where = track.rows[0], {"objectives": " with several objectives", "steps": " at equal cost"}
    name = clean(best.method)
    ran = f"{count(len(track.tasks), 'task')}{where.get(track.kind, '')}"
    ranked = sum(row.rank[0] is not None for row in track.rows)
    if len(track.rows) == 1:
        return [f"On {ran} only {name} was run, so there is nothing to compare it with."]
    first = (
        f"On {ran}, {name} has the best mean rank after {evaluations(track)}: "
        f"{within(best.rank)} of {ranked}; its regret is {within(best.regret[-1])}."
    )
    sentences = [first, _apart(track)]
    sentences += [_baseline(track)]
    if against is not None and track.versus:
        sentences.append(_against(track, against))
    return [" ".join(filter(None, sentences))]


def _apart(track: Track) -> str:
    if track.diagram is None:
        return "There are too few tasks or optimizers to test which ranks can be told apart."
    same, test = alike(track.diagram, track.rows[0].method), track.diagram.method.replace(" (Iman-Davenport)", "")
    if len(same) == len(track.diagram.names) - 1:
        few = f"With {count(track.diagram.tasks, 'task')} " if track.diagram.tasks < FEW else ""
        return f"{few or 'Over these tasks '}its rank can't be told from any other ({test})."
    if same:
        return f"Its rank can't be told from {_possessive(listed(map(clean, same)))} ({test})."
    return f"Its rank can be told from all the others' ({test})."


def _possessive(names: str) -> str:
    return f"{names}'{'' if names.endswith('s') else 's'}"


def _baseline(track: Track) -> str:
    row = next((row for row in track.rows if row.method == "random"), None)
    if row is None:
        return "Random search was not run beside them."
    return f"Random search: rank {within(row.rank)}, regret {within(row.regret[-1])}."


def _against(track: Track, against: str) -> str:
    whole = sorted((one for one in track.versus if one.scope == "all"), key=lambda one: one.ratio[0] or 0.0)
    parts = []
    for word in ("better", "worse", "can't tell"):
        names = [clean(one.method) for one in whole if one.word == word]
        if names:
            parts.append(f"{word} {len(names)} ({listed(names, most=5)})")
    return f"Against {clean(against)}: {'; '.join(parts)}." if parts else ""
