"""What was run, where and when, and what of it is not comparable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from trimtab.bench.cell import Result
from trimtab.bench.report._colours import ours
from trimtab.bench.report._words import count, counts, listed
from trimtab.bench.report.findings import Head, Share, Track, Trouble
from trimtab.errors import TrimtabError

RAN = ("done", "crashed", "timeout")
UNEQUAL = 0.01  # of what was due, beyond which an optimizer got more or less


def head(results: Sequence[Result], title: str, tracks: Mapping[str, Track], said: Iterable[str]) -> Head:
    ran = [r for r in results if r.state in RAN]
    seeds = Counter((r.cell.optimizer, r.cell.task, r.cell.budget, r.cell.workers) for r in ran).values()
    dates = sorted(str(r.where["date"]) for r in results if r.where.get("date"))
    versions: dict[str, list[str]] = {}
    for r in ran:
        if r.where.get("version"):
            versions.setdefault(r.cell.optimizer, []).append(f"{package(r.cell.optimizer)} {r.where['version']}")
    return Head(
        title=title,
        runs=len(ran),
        tasks=len({r.cell.task for r in ran}),
        optimizers=len({r.cell.optimizer for r in ran}),
        seeds=(min(seeds, default=0), max(seeds, default=0)),
        dates=(dates[0], dates[-1]) if dates else ("", ""),
        versions={name: ", ".join(dict.fromkeys(found)) for name, found in versions.items()},
        trimtab=_all(results, "trimtab"),
        python=_all(results, "python"),
        numpy=_all(results, "numpy"),
        machines=_machines(results)[0],
        cautions=tuple(dict.fromkeys([*_cautions(ran, results, tracks), *said])),
    )


def package(method: str) -> str:
    """Whose an optimizer is."""
    from trimtab.bench.peers import PEERS

    if method in PEERS:
        return PEERS[method].package
    return "trimtab" if ours(method) else method.partition("-")[0]


def stepwise(method: str) -> bool:
    """Whether it is one that stops trials early."""
    from trimtab.bench._optimizers import optimizer

    try:
        return "fidelity" in optimizer(method).takes
    except (TrimtabError, ImportError):
        return "+" in method.partition("(")[0]


def troubles(results: Sequence[Result]) -> tuple[Trouble, ...]:
    """Runs that are not done, those of one optimizer, task and reason together; refusals last: no fault."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for r in results:
        if r.state != "done" or not r.trace:
            state = r.state if r.state != "done" else "empty"
            groups.setdefault((r.cell.optimizer, r.cell.task, state, r.why), []).append(r.cell.seed)
    order = ("crashed", "timeout", "empty", "missing", "refused")
    place = {state: i for i, state in enumerate(order)}
    found = [Trouble(m, t, tuple(sorted(set(seeds))), state, why) for (m, t, state, why), seeds in groups.items()]
    return tuple(sorted(found, key=lambda one: (place.get(one.state, 0), one.method, one.task)))


def unequal(results: Sequence[Result]) -> tuple[Share, ...]:
    """Where runs that came to an end used more or less than was due."""
    groups: dict[tuple[str, str, float], list[float]] = {}
    for r in results:
        if r.state == "done":
            groups.setdefault((r.cell.optimizer, r.cell.task, r.cell.budget), []).append(r.spent)
    found = [Share(m, t, due, min(spent), max(spent)) for (m, t, due), spent in groups.items()]
    return tuple(one for one in found if max(one.most - one.due, one.due - one.fewest) > UNEQUAL * one.due + 1e-9)


def _cautions(ran: Sequence[Result], results: Sequence[Result], tracks: Mapping[str, Track]) -> Iterable[str]:
    (machines, unnamed), versions = _machines(ran), _all(ran, "trimtab")
    if len(machines) > 1:
        yield f"Run on {len(machines)} machines ({listed(machines)}): CPU times compare only within one."
    elif unnamed:
        yield "Older results don't name their processor: CPU times may be of another one."
    if len(versions) > 1:
        yield f"Results of several versions of trimtab: {listed(versions)}."
    if not any(r.cell.optimizer == "random" for r in ran):
        yield 'Random search was not run beside them; "vs random" uses the constants kept for each task.'
    yield from _seeds(ran)
    lost = {r.cell.optimizer for r in results} - {r.cell.optimizer for r in ran}
    if lost:
        yield f"Not run at all: {listed(sorted(lost), 12)}. Why is told under failures."
    for track in tracks.values():
        if track.left_out:
            names = sorted({name for missing in track.left_out.values() for name in missing})
            missed = f"{listed(names, 8)} did not run {'it' if len(track.left_out) == 1 else 'all of them'}"
            yield f"{count(len(track.left_out), 'task')} left out of the overall ranks: {missed}."


def _seeds(ran: Sequence[Result]) -> Iterable[str]:
    """Who has fewer runs of a task than the others."""
    found: dict[str, Counter[tuple[str, float, int]]] = {}
    for r in ran:
        found.setdefault(r.cell.optimizer, Counter())[r.cell.task, r.cell.budget, r.cell.workers] += 1
    most = max((max(c.values()) for c in found.values()), default=0)
    fewer: dict[str, list[str]] = {}
    for name, runs in found.items():
        if max(runs.values()) < most:
            fewer.setdefault(counts(min(runs.values()), max(runs.values()), "seed"), []).append(name)
    for seeds, names in fewer.items():
        yield f"{listed(names, 8)}: {seeds} a task instead of {most}, so wider intervals."


def _machines(results: Iterable[Result]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The machines, and what names a system alone ("Linux x86_64") where others name its processor ("Linux, Xeon")."""
    names = _all(results, "machine")
    systems = {name.partition(", ")[0] for name in names if ", " in name}
    unnamed = tuple(name for name in names if ", " not in name and name.partition(" ")[0] in systems)
    return tuple(name for name in names if name not in unnamed), unnamed


def _all(results: Iterable[Result], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(r.where[key]) for r in results if r.where.get(key)))


def shortened(budgets: Sequence[float], given: Sequence[float]) -> str:
    """Said where the runs are shorter than the budgets that were asked for."""
    told, asked = (listed(f"{b:g}" for b in each) for each in (budgets, given))
    return f"Most runs got {count(budgets[-1], 'evaluation')}, so regrets are told after {told} instead of {asked}."
