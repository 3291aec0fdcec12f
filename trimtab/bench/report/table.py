"""Findings as plain text for a terminal: tables whose columns go on below where the screen ends.

Idea    An estimate never stands without its interval. Where the columns don't fit, the table is told in several blocks,
        each with the names in front, rather than with columns left out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from trimtab.bench.report._words import (
    NONE,
    STATES,
    TITLES,
    count,
    counts,
    evaluations,
    listed,
    percent,
    short,
    span,
    summary,
    within,
)
from trimtab.bench.report.findings import Findings, Head, Row, Track, Trouble
from trimtab.study._text import cells, clean, cut, pad

NAME = 22  # columns that a name may take
GAP = "  "
PART = "°"  # beside a number that comes from only some of the tasks
FEWEST = 60  # columns below which text is not squeezed further


def text(found: Findings, width: int = 80) -> str:
    """The whole report."""
    wide = max(FEWEST, width)
    parts = [_head(found.head, wide), _folded(summary(found), wide)]
    for track in found.tracks.values():
        parts += _track(track, found, wide)
    parts += [_troubles(found.troubles, wide), _equal(found, wide)]
    return "\n\n".join(part for part in parts if part) + "\n"


def blocks(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of a table whose first row is its head; the first column is repeated in each block of columns that fit.

    >>> blocks([("", "a", "b"), ("one", "1111", "2222")], 11)
    ['        a', 'one  1111', '', '        b', 'one  2222']
    """
    columns = [[cut(clean(row[i]), NAME) if i == 0 else clean(row[i]) for row in rows] for i in range(len(rows[0]))]
    wide = [max(map(cells, column)) for column in columns]
    lines: list[str] = []
    for block in _chunks(wide, width):
        lines += [""] * bool(lines)
        for i in range(len(rows)):
            told = [pad(columns[0][i], wide[0]), *(_right(columns[c][i], wide[c]) for c in block)]
            lines.append(GAP.join(told).rstrip())
    return lines


def _chunks(wide: Sequence[int], width: int) -> Iterator[list[int]]:
    """The columns of each block: as many as fit beside the first one, and never none."""
    block, used = list[int](), wide[0]
    for column in range(1, len(wide)):
        if block and used + len(GAP) + wide[column] > width:
            yield block
            block, used = [], wide[0]
        block.append(column)
        used += len(GAP) + wide[column]
    yield block


def _head(head: Head, width: int) -> str:
    size = f"{count(head.optimizers, 'optimizer')} × {count(head.tasks, 'task')} × {counts(*head.seeds, 'seed')}"
    size += f", {count(head.runs, 'run')}"
    lines = [cut(clean(head.title), width), *_folded_lines(f"  {size}; {_when(head)}", width, "  ")]
    where = f"  trimtab {_or(head.trimtab)}, Python {_or(head.python)}, numpy {_or(head.numpy)}; {_or(head.machines)}"
    lines += _folded_lines(where, width, "  ")
    packages = dict.fromkeys(version for version in head.versions.values() if not version.startswith("trimtab "))
    if packages:
        lines += _folded_lines(f"  {', '.join(map(clean, packages))}", width, "  ")
    if head.cautions:
        lines += [
            "",
            "Mind",
            *(line for one in head.cautions for line in _folded_lines(f"  - {clean(one)}", width, "    ")),
        ]
    return "\n".join(lines)


def _track(track: Track, found: Findings, width: int) -> list[str]:
    if not track.rows:
        return [TITLES[track.kind] + "\n  no run that can be judged came to an end"]
    tasks = f"{count(len(track.tasks), 'task')}"
    title = f"{TITLES[track.kind]}: {tasks}. Regret: 0 is the best known, 1 one random evaluation; [95 % interval]."
    title += " log-AUC: mean regret over log evaluations." * _known(track, "log_auc")
    notes = [line for note in track.notes for line in _folded_lines(note, width, "")]
    parts = ["\n".join([*_folded_lines(title, width, ""), *notes, *_board(track, width)])]
    if len(track.families) > 1:
        title = f"By family: regret after {evaluations(track)}; * lowest, which others may equal within their intervals"
        title += f"; {PART} ran only some of these tasks, so it is not compared" * _partly(track)
        parts.append("\n".join([*_folded_lines(title, width, ""), *blocks(family_rows(track), width)]))
    if found.against is not None and track.versus:
        parts.append(_versus(track, found.against, width))
    return parts


def _board(track: Track, width: int) -> list[str]:
    several = track.kind == "objectives"
    late = any(row.ask[1] is not None for row in track.rows)
    regrets = [f"regret at {b:g}" for b in track.budgets]
    beside, area = _known(track, "versus_random"), _known(track, "log_auc")
    head = ["", "mean rank", *["log-AUC"] * area, regrets[-1], *["vs random"] * beside, *["IGD+"] * several]
    head += [*regrets[:-1], "solved", "CPU ms", *["at 100th"] * late, "tasks", "seeds", "failed"]
    return blocks([head, *(_row(row, several, late, beside, area) for row in track.rows)], width)


def _known(track: Track, column: str) -> bool:
    """Whether any row has an estimate there."""
    return any(getattr(row, column)[0] is not None for row in track.rows)


def _row(row: Row, several: bool, late: bool, beside: bool, area: bool) -> list[str]:
    """What decides comes first: on a narrow screen it is the first block."""
    mean, later = (None if seconds is None else 1000 * seconds for seconds in row.ask)
    *earlier, last = (within(one, 2) for one in row.regret)
    told = [row.method, within(row.rank), *[within(row.log_auc, 2)] * area, last]
    told += [within(row.versus_random, 2)] * beside
    told += [*[within(row.igd, 2)] * several, *earlier]
    told += [percent(row.solved), short(mean, 2), *[short(later, 2)] * late]
    return [*told, str(row.tasks), span(*row.seeds), str(row.failures or NONE)]


def family_rows(track: Track) -> list[list[str]]:
    """Optimizers by families: a star marks the lowest regret of those ranked there, a ring who ran too few tasks."""
    lowest = {family: best_of(rows) for family, rows in track.families.items()}
    of = {family: {row.method: row for row in rows} for family, rows in track.families.items()}
    out = [["", *(f"{clean(family)} ({_tasks(rows)})" for family, rows in track.families.items())]]
    for row in track.rows:
        line = [row.method]
        for family in track.families:
            found = of[family].get(row.method)
            if found is None:
                line.append(NONE + " ")
                continue
            mark = "*" if row.method in lowest[family] else PART if found.rank[0] is None else " "
            line.append(within(found.regret[-1], 2) + mark)
        out.append(line)
    return out


def _partly(track: Track) -> bool:
    """Whether any family has one that ran too few of its tasks to be ranked there."""
    return any(row.rank[0] is None for rows in track.families.values() for row in rows)


def best_of(rows: Sequence[Row]) -> list[str]:
    """Those with the lowest regret at the last budget; several when they tie."""
    ranked = [row for row in rows if row.rank[0] is not None]  # the others ran other tasks
    known = [(row.regret[-1][0], row.method) for row in ranked if row.regret[-1][0] is not None]
    least = min((value for value, _ in known if value is not None), default=None)
    return [name for value, name in known if value == least]


def _tasks(rows: Sequence[Row]) -> int:
    return max((row.tasks for row in rows), default=0)


def _versus(track: Track, against: str, width: int) -> str:
    scopes = list(dict.fromkeys(one.scope for one in track.versus))
    of = {(one.method, one.scope): one for one in track.versus}
    rows = [["", *("all tasks" if scope == "all" else clean(scope) for scope in scopes)]]
    for row in track.rows:
        told = [of.get((row.method, scope)) for scope in scopes]
        if any(told):
            rows.append([row.method, *(NONE if one is None else f"{within(one.ratio, 2)} {one.word}" for one in told)])
    title = f"Against {clean(against)}: regret divided by its regret, below 1 is better"
    return "\n".join([*_folded_lines(title, width, ""), *blocks(rows, width)])


def _troubles(troubles: Sequence[Trouble], width: int) -> str:
    if not troubles:
        return "Every run came to an end."
    lines = ["Not done"]
    for (method, state, why), ones in grouped(troubles).items():
        runs = sum(len(one.seeds) for one in ones)
        where = f"{count(runs, 'run')} on {listed((clean(one.task) for one in ones), most=3)}"
        reason = f": {clean(why)}" if why else ""
        lines += _folded_lines(
            f"  {cut(clean(method), NAME)}  {STATES.get(state, state).partition(':')[0]}, {where}{reason}",
            width,
            "      ",
        )
    return "\n".join(lines)


def grouped(troubles: Sequence[Trouble]) -> Mapping[tuple[str, str, str], list[Trouble]]:
    """By optimizer, state and reason, in the order in which they first come."""
    groups: dict[tuple[str, str, str], list[Trouble]] = {}
    for one in troubles:
        groups.setdefault((one.method, one.state, one.why), []).append(one)
    return groups


def _equal(found: Findings, width: int) -> str:
    if not found.unequal:
        return "Equal budgets: every run that came to an end used what was due, within 1 %."
    lines = ["Unequal budgets"]
    for one in found.unequal:
        used = span(short(one.fewest), short(one.most))
        lines += _folded_lines(
            f"  {clean(one.method)} on {clean(one.task)}: {used} of {count(one.due, 'evaluation')}", width, "      "
        )
    return "\n".join(lines)


def _when(head: Head) -> str:
    first, last = (date[:10] for date in head.dates)
    return "no date" if not first else first if first == last else f"{first} to {last}"


def _or(words: Sequence[str]) -> str:
    return ", ".join(map(clean, words)) or "?"


def _folded(sentences: Sequence[str], width: int) -> str:
    return "\n".join(line for one in sentences for line in _folded_lines(one, width, ""))


def _folded_lines(line: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _right(word: str, width: int) -> str:
    return " " * (width - cells(word)) + word
