"""Findings -> figures, each as plain data that plotly draws: {"data": […], "layout": {…}}.

Idea    A figure is data, so making forty of them costs nothing and no plotly is loaded; `drawn` makes one a plotly
        Figure. Colours of text and grid are left to the page, which knows whether it is light or dark. Every trace says
        in `meta` whose it is, so that the page can show and hide an optimizer everywhere at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from trimtab.bench.report._colours import clear, colour, dash
from trimtab.bench.report._words import short, within
from trimtab.bench.report.findings import Diagram, Lines, Track, Triple, Versus
from trimtab.study._text import clean

Figure = dict[str, Any]

FLOOR = 1e-4  # of regrets on a log scale: below, a curve is drawn on the floor
GOOD, BAD, NEITHER = "#2e9e4f", "#d1453b", "#8a8f98"
SCALE = [
    [0.0, "#bf4b34"],
    [0.25, "#b5796c"],
    [0.5, "#8a8f98"],
    [0.75, "#6a86be"],
    [1.0, "#2a66dd"],
]  # white is read on all
CELLS = 14  # optimizers above which the cells of the heat map hold no numbers


def drawn(figure: Figure) -> Any:
    """As a plotly Figure, to be shown in a notebook or written to a file."""
    import plotly.graph_objects as go

    return go.Figure(figure)


def named(method: str) -> str:
    """A name for a figure, where signs such as < would be read as markup."""
    return escape(clean(method), quote=False)


# ── curves ───────────────────────────────────────────────────────────────────────────────────────────────────────


def curves(
    lines: Lines, *, x: str = "evaluations", y: str = "normalised regret", floor: float | None = FLOOR
) -> Figure:
    """A step curve with its band for each optimizer; log scales. `floor` is where zeros are drawn; None: linear y."""
    data: list[Figure] = []
    for method in lines.y:
        if lines.low.get(method):
            data += _band(lines, method, floor)
    for method, values in lines.y.items():
        shown = [_on(v, floor) for v in values]
        data.append(
            _line(method, lines.x, shown) | {"hovertemplate": f"%{{x:.3~g}}: %{{y:.3~g}}<extra>{named(method)}</extra>"}
        )
    axis = _log_ticks([v for trace in data for v in trace["y"]]) if floor else {}
    return _figure(data, xaxis=_log_axis(x, lines.x), yaxis=axis | {"title": {"text": y}})


def small(lines: Lines, title: str) -> Figure:
    """The same for one task among many, without bands and titles of axes."""
    data = []
    for method, values in lines.y.items():
        line = _line(method, lines.x, [_on(v, FLOOR) for v in values], width=1.4)
        data.append(line | {"hovertemplate": f"%{{x:.3~g}}: %{{y:.3~g}}<extra>{named(method)}</extra>"})
    y = _log_ticks([v for trace in data for v in trace["y"]])
    figure = _figure(data, xaxis=_log_axis("", lines.x, few=True), yaxis=y)
    figure["layout"] |= {"title": {"text": named(title), "font": {"size": 12}, "x": 0.02, "xanchor": "left"}}
    figure["layout"] |= {"margin": {"l": 38, "r": 6, "t": 26, "b": 22}, "font": {"size": 10}}
    return figure


def runtime(lines: Lines, unit: str = "evaluations") -> Figure:
    """Share of targets reached within so many evaluations."""
    data = [_line(method, lines.x, values) for method, values in lines.y.items()]
    for trace in data:
        trace["hovertemplate"] = f"%{{y:.0%}} within %{{x:.3~g}}<extra>{trace['name']}</extra>"
    y = {"title": {"text": "targets reached"}, "range": [0, 1], "tickformat": ".0%"}
    return _figure(data, xaxis=_log_axis(unit, lines.x), yaxis=y)


def profile(lines: Lines) -> Figure:
    """Share of runs that ended at most so far from the best."""
    figure = curves(lines, x="regret τ at the last budget", y="runs with at most τ", floor=None)
    figure["layout"]["yaxis"] |= {"range": [0, 1], "tickformat": ".0%"}
    return figure


def overhead(found: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """CPU milliseconds of a suggestion against how many there were before it."""
    data = []
    for method, points in found.items():
        steps = [p for p in points if p[1] > 0 and p[0] > 0]
        if steps:
            line = _line(method, [p[0] for p in steps], [_tidy(1000 * p[1]) for p in steps])
            line["line"] |= {"shape": "linear"}
            line["hovertemplate"] = f"%{{y:.3~g}} ms for the %{{x:.0f}}th<extra>{named(method)}</extra>"
            data.append(line)
    x = [p[0] for points in found.values() for p in points]
    y = _log_ticks([v for trace in data for v in trace["y"]]) | {"title": {"text": "CPU ms a suggestion"}}
    return _figure(data, xaxis=_log_axis("number of the suggestion", x), yaxis=y)


# ── ranks and comparisons ────────────────────────────────────────────────────────────────────────────────────────


def ranks(track: Track, diagram: Diagram) -> Figure:
    """A critical-difference diagram on its side, to be read at any width: best on top, bars join the unseparated."""
    names = list(diagram.names)
    place = {name: i for i, name in enumerate(names)}
    interval = {row.method: row.rank for row in track.rows}
    low, high = min(diagram.ranks), max(diagram.ranks)
    step = max(0.05, (high - low) / 28)
    data: list[Figure] = []
    bars = [group for group in diagram.groups if len(group) > 1]
    thick = 5 if len(bars) <= 6 else 2.5
    for i, group in enumerate(bars):
        ends = [place[group[0]] - 0.2, place[group[-1]] + 0.2]
        text = f"can't be told apart: {', '.join(map(named, group))}"
        bar = {"color": "#8a8f98", "width": thick}
        at = high + step * (i + 1.6)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [at, at],
                "y": ends,
                "line": bar,
                "text": [text] * 2,
                "hoverinfo": "text",
            }
        )
    for name, rank in zip(names, diagram.ranks, strict=True):
        point = _points(name, [rank], [place[name]], interval.get(name, (rank, None, None)), size=11)
        data.append(point | {"hovertemplate": f"{named(name)}: mean rank {short(rank)}<extra></extra>"})
    shapes, notes = [], []
    if diagram.distance is not None:
        end = min(low + diagram.distance, high + step * (len(bars) + 2))
        ruler = {"type": "line", "x0": low, "x1": end, "y0": -0.8, "y1": -0.8, "line": {"color": NEITHER, "width": 2}}
        shapes.append(ruler)
        text = f"critical difference {short(diagram.distance)}"
        notes.append({"x": low, "y": -0.8, "text": text, "showarrow": False, "xanchor": "left", "yanchor": "bottom"})
    y = _rows(names) | {"range": [len(names) - 0.4, -1.5]}
    x = {
        "title": {"text": "mean rank (1 is best)"},
        "zeroline": False,
        "range": [low - 2 * step, high + step * (len(bars) + 2)],
    }
    figure = _figure(data, xaxis=x, yaxis=y)
    figure["layout"] |= {"shapes": shapes, "annotations": notes, "height": 110 + 24 * len(names)}
    return figure


def better(track: Track) -> Figure:
    """Heat map: the probability that a run of the row is better than one of the column."""
    names = [named(m) for m in track.methods[: len(track.better)]]  # the others have no rank
    undecided = {frozenset(pair) for pair in track.undecided}
    text = [
        [
            "" if v is None or i == j else f"{100 * v:.0f}" + ("" if _told(track, i, j, undecided) else "·")
            for j, v in enumerate(row)
        ]
        for i, row in enumerate(track.better)
    ]
    hover = [
        [
            ""
            if v is None or i == j
            else f"{names[i]} better than {names[j]}: {v:.0%}"
            + ("" if _told(track, i, j, undecided) else " (can't tell)")
            for j, v in enumerate(row)
        ]
        for i, row in enumerate(track.better)
    ]
    z = [[None if i == j else _tidy(v) for j, v in enumerate(row)] for i, row in enumerate(track.better)]
    trace: Figure = {
        "type": "heatmap", "z": z, "x": names, "y": names, "zmin": 0, "zmax": 1, "colorscale": SCALE,
        "xgap": 1, "ygap": 1, "hovertext": hover, "hoverinfo": "text", "showscale": False,
    }  # fmt: skip
    if len(names) <= CELLS:
        trace |= {"text": text, "texttemplate": "%{text}", "textfont": {"size": 11, "color": "#ffffff"}}
    shape = {
        "type": "category",
        "automargin": True,
        "showgrid": False,
        "ticks": "",
        "dtick": 1,
        "tickfont": {"size": 11},
    }
    figure = _figure([trace], xaxis=shape | {"tickangle": -45}, yaxis=shape | {"autorange": "reversed"})
    figure["layout"]["height"] = 150 + 24 * len(names)
    return figure


def versus(found: Sequence[Versus], against: str) -> Figure:
    """The ratio of each optimizer's regret to one's, with its interval: left of 1 is better."""
    kept = sorted((one for one in found if one.ratio[0]), key=lambda one: one.ratio[0] or 0.0)
    names = [one.method for one in kept]
    tint = {"better": GOOD, "worse": BAD}
    data = []
    for i, one in enumerate(kept):
        trace = _points(one.method, [one.ratio[0]], [i], one.ratio, size=10)
        trace["marker"]["color"] = tint.get(one.word, NEITHER)
        trace["error_x"]["color"] = tint.get(one.word, NEITHER)
        trace["hovertemplate"] = (
            f"{named(one.method)}: {within(one.ratio)} of {named(against)}'s regret, {one.word}<extra></extra>"
        )
        data.append(trace)
    known = [edge for one in kept for edge in one.ratio if edge]
    x = _log_ticks([*known, 1.0]) | {"title": {"text": f"regret ÷ regret of {named(against)}"}}
    figure = _figure(data, xaxis=x, yaxis=_rows(names) | {"range": [len(names) - 0.4, -0.6]})
    line = {
        "type": "line",
        "x0": 1,
        "x1": 1,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": NEITHER, "dash": "dot", "width": 1},
    }
    figure["layout"] |= {"shapes": [line], "height": 90 + 24 * len(names)}
    return figure


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _figure(data: Sequence[Figure], *, xaxis: Figure, yaxis: Figure) -> Figure:
    """Without a legend: the page has one for all figures."""
    layout: Figure = {
        "xaxis": xaxis, "yaxis": {"automargin": True} | yaxis, "showlegend": False, "hovermode": "closest",
        "dragmode": False, "margin": {"l": 56, "r": 12, "t": 12, "b": 44}, "height": 380,
    }  # fmt: skip
    return {"data": list(data), "layout": layout}


def _line(method: str, x: Sequence[float], y: Sequence[float | None], width: float = 2) -> Figure:
    line = {"color": colour(method), "dash": dash(method), "width": width, "shape": "hv"}
    values = [_tidy(v) for v in y]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": named(method),
        "meta": method,
        "x": list(x),
        "y": values,
        "line": line,
    }


def _band(lines: Lines, method: str, floor: float | None) -> list[Figure]:
    """Its lower edge, and its upper one filled down to it. Both are there where both are known."""
    both = [
        (x, lo, hi)
        for x, lo, hi in zip(lines.x, lines.low[method], lines.high[method], strict=True)
        if lo is not None and hi is not None
    ]
    edge: Figure = {
        "type": "scatter", "mode": "lines", "meta": method, "x": [x for x, _, _ in both], "hoverinfo": "skip",
        "line": {"width": 0, "shape": "hv", "color": colour(method)},
    }  # fmt: skip
    low = edge | {"y": [_tidy(_on(lo, floor)) for _, lo, _ in both]}
    high = edge | {
        "y": [_tidy(_on(hi, floor)) for _, _, hi in both],
        "fill": "tonexty",
        "fillcolor": clear(colour(method), 0.14),
    }
    return [low, high]


def _points(method: str, x: Sequence[float | None], y: Sequence[float], found: Triple, size: int) -> Figure:
    value, low, high = found
    known = value is not None and low is not None and high is not None
    error: Figure = {
        "type": "data",
        "symmetric": False,
        "color": colour(method),
        "thickness": 1.6,
        "width": 3,
        "visible": known,
    }
    if value is not None and low is not None and high is not None:
        error |= {"array": [_tidy(max(0.0, high - value))], "arrayminus": [_tidy(max(0.0, value - low))]}
    else:
        error |= {"array": [0], "arrayminus": [0]}
    marker = {"color": colour(method), "size": size}
    return {
        "type": "scatter", "mode": "markers", "name": named(method), "x": [_tidy(v) for v in x], "y": list(y),
        "marker": marker, "error_x": error,
    }  # fmt: skip


def _rows(names: Sequence[str]) -> Figure:
    """An axis with one name a row, the first on top."""
    return {
        "tickmode": "array", "tickvals": list(range(len(names))), "ticktext": [named(n) for n in names],
        "automargin": True, "zeroline": False,
    }  # fmt: skip


def _log_axis(title: str, x: Sequence[float], *, few: bool = False) -> Figure:
    """A log axis over just these x."""
    known = [v for v in x if v > 0] or [1.0]
    low, high = min(known), max(known)
    axis = _log_ticks(known, few=few) | {"range": [math.log10(low) - 0.02, math.log10(high * 1.03)]}
    return axis | ({"title": {"text": title}} if title else {})


def _log_ticks(values: Sequence[float | None], *, few: bool = False) -> Figure:
    """A log axis with ticks at 1, 2, 5, 10, 20 …, or at powers of ten where they would be too many."""
    known = [v for v in values if v is not None and v > 0] or [1.0]
    low, high = min(known), max(known)
    wide = math.log10(high / low)
    steps: tuple[float, ...] = (
        (1, 2, 5) if wide <= (1.2 if few else 2.2) else (1, 3) if wide <= 3.1 and not few else (1,)
    )
    if wide < 0.5:  # less than two ticks otherwise
        steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks = [s * 10.0**d for d in decades for s in steps]
    return {"type": "log", "tickmode": "array", "tickvals": ticks, "ticktext": [_tick(t) for t in ticks]}


def _tick(value: float) -> str:
    """As a person would write it: 0.001, 20, 10<sup>5</sup>."""
    if 1e-4 <= value < 1e5:
        return f"{value:.4f}".rstrip("0").rstrip(".") if value < 1 else f"{value:g}"
    return f"10<sup>{round(math.log10(value))}</sup>" if math.log10(value) % 1 < 1e-9 else f"{value:.0e}"


def _on(value: float | None, floor: float | None) -> float | None:
    return value if value is None or floor is None else max(value, floor)


def _tidy(value: float | None) -> float | None:
    """Four significant digits: more is not seen, and makes the page heavy."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")


def _told(track: Track, i: int, j: int, undecided: set[frozenset[str]]) -> bool:
    return frozenset((track.methods[i], track.methods[j])) not in undecided
