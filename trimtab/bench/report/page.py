"""Findings as one HTML file: tables, figures and how they were computed. It loads nothing and sends nothing.

Idea    plotly's script, the style and every figure stand in the file itself, and a policy in its head forbids the
        browser to fetch anything else. Names are data: they are escaped wherever they stand, in tables as in scripts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from trimtab.bench.report import _html as h
from trimtab.bench.report import figures
from trimtab.bench.report._colours import ours
from trimtab.bench.report._definitions import DEFINITIONS
from trimtab.bench.report._html import text
from trimtab.bench.report._words import (
    NONE,
    STATES,
    TITLES,
    UNITS,
    count,
    counts,
    evaluations,
    listed,
    percent,
    short,
    span,
    summary,
)
from trimtab.bench.report.findings import Findings, Head, Track, Triple, to_json
from trimtab.bench.report.table import PART, best_of, grouped
from trimtab.study._text import clean

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
SHOWN = 9  # curves that are on at first when there are many: the best ones, random search, the one compared against
OPEN = 12  # tasks up to which their figures are open at once


@dataclass(slots=True)
class _Page:
    """The page as it grows: its parts, and the figures by the names that its parts call them."""

    found: Findings
    parts: list[str] = field(default_factory=list)
    drawn: dict[str, Any] = field(default_factory=dict)
    sections: list[tuple[str, str]] = field(default_factory=list)

    def add(self, *parts: str) -> None:
        self.parts += parts

    def section(self, key: str, title: str) -> None:
        self.sections.append((key, title))
        self.add(f'<h2 id="{key}">{text(title)}</h2>')

    def figure(self, key: str, figure: figures.Figure) -> str:
        self.drawn[key] = figure
        return f'<div class="figure" id="at-{text(key)}" data-figure="{text(key)}"></div>'


def page(found: Findings) -> str:
    """The whole file."""
    made = _Page(found)
    for track in found.tracks.values():
        _track(made, track)
    _overhead(made)
    _troubles(made)
    _equal(made)
    _how(made)
    return _file(made)


def _file(made: _Page) -> str:
    from plotly.offline import get_plotlyjs

    found, here = made.found, Path(__file__)
    nav = "".join(f'<a href="#{key}">{text(title)}</a>' for key, title in made.sections)
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{text(found.head.title)}</title>',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{here.with_name('page.css').read_text(encoding='utf-8')}</style></head><body>",
            _head(found, nav),
            _legend(found),
            "<main>",
            *made.parts,
            '</main><footer class="note">The numbers of this page: <button id="save">save as JSON</button></footer>',
            f'<script type="application/json" id="figures">{h.data(made.drawn)}</script>',
            f'<script type="application/json" id="findings">{h.data(to_json(found))}</script>',
            f"<script>{get_plotlyjs()}</script>",
            f"<script>{here.with_name('page.js').read_text(encoding='utf-8')}</script>",
            "</body></html>\n",
        ]
    )


# ── head ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _head(found: Findings, nav: str) -> str:
    head = found.head
    seeds, runs = counts(*head.seeds, "seed"), f"({count(head.runs, 'run')})"
    size = f"{count(head.optimizers, 'optimizer')} × {count(head.tasks, 'task')} × {seeds} {runs}"
    first, last = (date[:10] for date in head.dates)
    when = f"{first} to {last}" if first != last else first
    told = " · ".join(filter(None, [size, when, f"trimtab {', '.join(head.trimtab)}", ", ".join(head.machines)]))
    parts = [f'<header><h1>{text(head.title)}</h1><p class="faint">{text(told)}</p>']
    for sentences in summary(found):
        start, stop, rest = sentences.partition(". ")
        parts.append(f'<p class="finding"><strong>{text(start + stop.strip())}</strong> {text(rest)}</p>')
    if head.cautions:
        items = "".join(f"<li>{text(one)}</li>" for one in head.cautions)
        opened = " open" if len(head.cautions) <= 5 else ""
        title = f"<summary>What to mind ({len(head.cautions)})</summary>"
        parts.append(f'<details class="cautions"{opened}>{title}<ul>{items}</ul></details>')
    return "".join([*parts, f"<nav>{nav}</nav></header>"])


def _legend(found: Findings) -> str:
    """One for all figures: a button shows or hides its optimizer everywhere."""
    names = _drawn(found)
    first = _shown_first(found, names)
    sets = {"best": first, "all": names, "trimtab's": [n for n in names if ours(n)], "none": []}
    buttons = [
        f'<button class="set" data-set="{text(json.dumps(some))}">{word}</button>' for word, some in sets.items()
    ]
    for name in names:
        state = f'data-method="{escape(name)}" aria-pressed="{str(name in first).lower()}"'
        told = f"{h.swatch(name)}<span>{text(name)}</span>"
        buttons.append(f'<button {state} title="{text(name)}">{told}</button>')
    return f'<div class="legend" role="group" aria-label="Shown in the figures"><div>{"".join(buttons)}</div></div>'


def _drawn(found: Findings) -> list[str]:
    rows = [row.method for track in found.tracks.values() for row in track.rows]
    return list(dict.fromkeys([*rows, *found.overhead]))


def _shown_first(found: Findings, names: Sequence[str]) -> list[str]:
    if len(names) <= SHOWN + 1:
        return list(names)
    first, *others = found.tracks.values()
    best = [row.method for row in first.rows[: max(4, SHOWN - 3 * len(others))]]
    best += [row.method for track in others for row in track.rows[:4]]
    wanted = {*best, "random", found.against}
    return [name for name in names if name in wanted]


# ── a kind of tasks ──────────────────────────────────────────────────────────────────────────────────────────────


def _track(made: _Page, track: Track) -> None:
    made.section(track.kind, TITLES[track.kind])
    if not track.rows:
        made.add("<p>No run came to an end.</p>")
        return
    note = (
        f"{count(len(track.tasks), 'task')}. Sorted by mean rank after {evaluations(track)}; small: "
        "95 % interval; shaded: the lowest of those ranked, which others may equal within their intervals. "
        "Regret: 0 is the best known, 1 is one random evaluation; log-AUC: its mean over log evaluations. "
        "CPU ms: of a suggestion."
    )
    made.add(*(f'<p class="note">{text(one)}</p>' for one in (note, *track.notes)), _board(track))
    _curves(made, track)
    _told_apart(made, track)
    _horizontal(made, track)
    _versus(made, track)
    _families(made, track)
    _each_task(made, track)


def _board(track: Track) -> str:
    several, late = track.kind == "objectives", any(row.ask[1] is not None for row in track.rows)
    beside = any(row.versus_random[0] is not None for row in track.rows)
    area = any(row.log_auc[0] is not None for row in track.rows)
    head = ["optimizer", "mean rank", *["log-AUC"] * area, *(f"regret at {b:g}" for b in track.budgets)]
    head += ["vs random"] * beside + ["IGD+"] * several
    head += ["solved", "CPU ms", *["at 100th"] * late, "tasks × seeds", "failed"]
    columns: list[list[Triple]] = [[row.rank for row in track.rows], *[[row.log_auc for row in track.rows]] * area]
    columns += [[row.regret[i] for row in track.rows] for i in range(len(track.budgets))]
    columns += [[row.versus_random for row in track.rows]] * beside + [[row.igd for row in track.rows]] * several
    ranked = [row.rank[0] is not None for row in track.rows]  # the others ran other tasks
    lowest = [
        min((v for (v, _, _), one in zip(column, ranked, strict=True) if one and v is not None), default=None)
        for column in columns
    ]
    body = []
    for i, row in enumerate(track.rows):
        mean, later = (None if seconds is None else 1000 * seconds for seconds in row.ask)
        told = [h.name(row.method), h.cell(row.rank, lowest[0], digits=3)]
        told += [h.cell(c[i], low) for c, low in zip(columns[1:], lowest[1:], strict=True)]
        told += [h.number(row.solved, percent(row.solved)), h.number(mean), *[h.number(later)] * late]
        body.append(h.line(row, [*told, *map(h.plain, (f"{row.tasks} × {span(*row.seeds)}", row.failures or NONE))]))
    return h.table(head, body, sorts=True)


def _curves(made: _Page, track: Track) -> None:
    unit, target = UNITS[track.kind], f"at-{track.kind}-curves"
    regret = "hypervolume regret" if track.kind == "objectives" else "normalised regret"
    keys = {scope: f"{track.kind}-curves-{i}" for i, scope in enumerate(track.curves)}
    made.drawn.update({key: figures.curves(track.curves[scope], x=unit, y=regret) for scope, key in keys.items()})
    names = {key: "all tasks" if scope == "all" else scope for scope, key in keys.items()}
    options = "".join(f'<option value="{key}">{text(name)}</option>' for key, name in names.items())
    choice = f'<label>Tasks: <select data-for="{target}">{options}</select></label>' if len(keys) > 1 else ""
    note = "Geometric mean with its 95 % band; below 0.0001 counts as 0.0001."
    figure = f'<div class="figure" id="{target}" data-figure="{next(iter(names))}"></div>'
    made.add(h.titled(f"Anytime: {regret} after so many {unit}", note, choice, figure))


def _told_apart(made: _Page, track: Track) -> None:
    parts, diagram = [], track.diagram
    if diagram is not None:
        small = "" if diagram.p is None else "< 0.0001" if diagram.p < 1e-4 else f"= {short(diagram.p, 2)}"
        alike = f" That all are alike: p {small}." if small else ""
        told = f"{diagram.method}, {count(diagram.tasks, 'task')}.{alike} Grey bars join what can't be told apart;"
        figure = made.figure(f"{track.kind}-ranks", figures.ranks(track, diagram))
        note = " ".join([told, "whiskers: 95 % over other seeds.", *diagram.notes])
        parts.append(h.titled("Which ranks can be told apart", note, figure))
    if len(track.better) > 1:
        note = "In percent: a run of the row is better than one of the column. A dot (·): can't tell from one half."
        figure = made.figure(f"{track.kind}-better", figures.better(track))
        parts.append(h.titled("Probability of improvement", note, figure))
    made.add(h.side_by_side(parts))


def _horizontal(made: _Page, track: Track) -> None:
    parts = []
    if track.runtime.y:
        note = "51 targets a task between regret 1 and 0.001; higher and further left is better."
        figure = made.figure(f"{track.kind}-runtime", figures.runtime(track.runtime, unit=UNITS[track.kind]))
        parts.append(h.titled("Runtime: targets reached", note, figure))
    if track.profile.y:
        note = f"Share of runs whose regret after {track.budgets[-1]:g} is at most τ; higher is better."
        figure = made.figure(f"{track.kind}-profile", figures.profile(track.profile))
        parts.append(h.titled("Performance profile", note, figure))
    made.add(h.side_by_side(parts))
    _reach(made, track)


def _reach(made: _Page, track: Track) -> None:
    """How many evaluations are expected until a regret is reached."""
    if not track.reach:
        return
    targets = list(dict.fromkeys(one.target for one in track.reach))
    of = {(one.method, one.target): one for one in track.reach}
    body = []
    for row in track.rows:
        if (row.method, targets[0]) in of:
            mine = [of[row.method, target] for target in targets]
            cells = [
                cell for one in mine for cell in (h.time(one.evaluations), h.number(one.share, percent(one.share)))
            ]
            body.append(h.line(row, [h.name(row.method), *cells]))
    head = ["optimizer", *(word for target in targets for word in (f"{UNITS[track.kind]} to {target:g}", "runs there"))]
    note = (
        "Expected until the regret is at most so much, where a run that misses it is followed by another; the median "
        f"over {count(len(track.reach[0].tasks), 'task')}. ∞: on half of them no run came there."
    )
    made.add(h.titled("Expected evaluations to a regret", note, h.table(head, body, sorts=True)))


def _versus(made: _Page, track: Track) -> None:
    against = made.found.against
    if against is None or not track.versus:
        return
    scopes = list(dict.fromkeys(one.scope for one in track.versus))
    of = {(one.method, one.scope): one for one in track.versus}
    body = []
    for row in track.rows:
        told = [of.get((row.method, scope)) for scope in scopes]
        if any(told):
            cells = [h.plain(NONE) if one is None else f"<td>{h.estimate(one.ratio, one.word)}</td>" for one in told]
            body.append(h.line(row, [h.name(row.method), *cells]))
    whole = [one for one in track.versus if one.scope == "all"]
    figure = made.figure(f"{track.kind}-versus", figures.versus(whole, against))
    head = ["optimizer", *("all tasks" if scope == "all" else clean(scope) for scope in scopes)]
    note = "Regret divided by its regret, on the tasks that both ran; below 1 is better."
    made.add(h.titled(f"Against {against}", note, figure, h.table(head, body)))


def _families(made: _Page, track: Track) -> None:
    if len(track.families) < 2:
        return
    lowest = {family: best_of(rows) for family, rows in track.families.items()}
    of = {family: {row.method: row for row in rows} for family, rows in track.families.items()}
    body = []
    for row in track.rows:
        cells = []
        for family in track.families:
            found = of[family].get(row.method)
            if found is None:
                cells.append(f'<td data-key="">{NONE}</td>')
                continue
            mark = PART if found.rank[0] is None else ""
            cells.append(h.cell(found.regret[-1], best=row.method in lowest[family], mark=mark))
        body.append(h.line(row, [h.name(row.method), *cells]))
    sizes = {family: count(max(r.tasks for r in rows), "task") for family, rows in track.families.items()}
    head = ["optimizer", *(f"{clean(family)} ({size})" for family, size in sizes.items())]
    note = (
        f"IQM of the regret after {track.budgets[-1]:g}. Families are kept apart: what suits one misleads on another. "
        f"Shaded: the lowest, which others may equal within their intervals; {PART}: ran only some of these tasks, so "
        "it is not compared."
    )
    made.add(h.titled("By family", note, h.table(head, body, sorts=True)))


def _each_task(made: _Page, track: Track) -> None:
    drawn = {name: figures.small(lines, name) for name, lines in track.task_curves.items()}
    divs = [made.figure(f"{track.kind}-task-{i}", figure) for i, figure in enumerate(drawn.values())]
    told = f"{count(len(divs), 'task')}: median regret over seeds against {UNITS[track.kind]}"
    opened = " open" if len(divs) <= OPEN else ""
    many = f'<div class="many">{"".join(divs)}</div>'
    made.add(f"<h3>Task by task</h3><details{opened}><summary>{told}</summary>{many}</details>")


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _overhead(made: _Page) -> None:
    if not made.found.overhead:
        return
    made.section("overhead", "What a suggestion costs")
    note = "CPU time inside the optimizer for its n-th suggestion, median over runs. It compares on one machine only."
    made.add(f'<p class="note">{note}</p>', made.figure("overhead-all", figures.overhead(made.found.overhead)))


def _troubles(made: _Page) -> None:
    made.section("failures", "Failed, refused, missing")
    if not made.found.troubles:
        made.add("<p>Every run came to an end.</p>")
        return
    body = []
    for (method, state, why), ones in grouped(made.found.troubles).items():
        runs = sum(len(one.seeds) for one in ones)
        tasks = listed((clean(one.task) for one in ones), most=4)
        told = [h.name(method), h.words(STATES.get(state, state)), h.plain(runs), h.words(tasks), h.words(why)]
        body.append(f"<tr>{''.join(told)}</tr>")
    made.add(h.table(["optimizer", "what", "runs", "tasks", "why"], body, words=(1, 3, 4)))


def _equal(made: _Page) -> None:
    made.section("budgets", "Did everybody get as much?")
    if not made.found.unequal:
        made.add("<p>Yes: every run that came to an end used what was due, within 1 %.</p>")
        return
    made.add("<p>No. These used more or less evaluations than were due, by more than 1 %:</p>")
    body = []
    for one in made.found.unequal:
        used = span(f"{one.fewest:.4g}", f"{one.most:.4g}")
        told = [h.name(one.method), h.words(one.task), h.plain(f"{one.due:g}"), h.plain(used)]
        body.append(f"<tr>{''.join(told)}</tr>")
    made.add(h.table(["optimizer", "task", "due", "used"], body, words=(1,)))


def _how(made: _Page) -> None:
    made.section("how", "How this was computed")
    made.add(h.definitions(DEFINITIONS), "<h3>Where and with what</h3>", h.definitions(_facts(made.found.head).items()))
    left_out = {task: names for track in made.found.tracks.values() for task, names in track.left_out.items()}
    if left_out:
        rows = [(task, f"not run by {listed(names, 12)}") for task, names in left_out.items()]
        made.add("<h3>Tasks that count for no overall rank</h3>", h.definitions(rows))


def _facts(head: Head) -> Mapping[str, str]:
    dates = span(*(date[:16].replace("T", " ") for date in head.dates))
    packages: dict[str, list[str]] = {}
    for method, version in head.versions.items():
        packages.setdefault(version, []).append(method)
    facts = {"Machine": ", ".join(head.machines), "trimtab": ", ".join(head.trimtab), "Python": ", ".join(head.python)}
    facts |= {"numpy": ", ".join(head.numpy), "Run": dates, "Seeds": f"0, 1, … ({span(*head.seeds)} a task)"}
    return facts | {version: ", ".join(methods) for version, methods in packages.items()}
