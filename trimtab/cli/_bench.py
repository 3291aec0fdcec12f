"""bench: measure optimizers on tasks — run, report, subset, speed, scale, and what there is to choose from."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from trimtab.cli._options import COUNT, as_json
from trimtab.cli._rows import aligned, columns, folded
from trimtab.cli._words import say, say_json
from trimtab.errors import TrimtabError

FOLDER = Path("bench")  # where results are kept unless told otherwise
data_option = click.option(
    "--data",
    metavar="DIR",
    help="The folder that holds benchmark data (yahpo/, steplaw/, …); else $TRIMTAB_BENCH_DATA.",
)


@click.group()
def bench() -> None:
    """Measure optimizers, trimtab's and others', on tasks.

    \b
    trimtab bench run smoke               does it work? (a minute)
    trimtab bench report                  what came of it
    trimtab bench run dev --peers         trimtab and the packages that are installed
    trimtab bench report dev --against optuna-tpe
    """


def _listed(words: str | None) -> tuple[str, ...]:
    """ "gp,asha+tpe(startup=5,multivariate=false)" -> the names; commas inside brackets part settings."""
    found, depth, start = [], 0, 0
    text = words or ""
    for i, sign in enumerate(text + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            found.append(text[start:i].strip())
            start = i + 1
    found.append(text[start:])  # behind a bracket that isn't closed: a name that nobody has
    if words is not None and not any(found):
        raise TrimtabError(f"{words!r} names no optimizer. See: trimtab bench optimizers")
    return tuple(filter(None, found))


def _spelled_out(names: tuple[str, ...]) -> tuple[str, ...]:
    """ "ga-*" -> the names of all optimizers that it fits."""
    if not any("*" in name for name in names):
        return names
    from fnmatch import fnmatchcase

    from trimtab.bench._optimizers import optimizers as known

    every, found = [one.name for one in known()], list[str]()
    for name in names:
        fits = [one for one in every if fnmatchcase(one, name)] if "*" in name else [name]
        if not fits:
            raise TrimtabError(f"{name!r} fits no optimizer. See: trimtab bench optimizers")
        found += fits
    return tuple(dict.fromkeys(found))


def _numbers(words: str, option: str) -> tuple[int, ...]:
    """ "25,50" -> (25, 50)"""
    try:
        found = tuple(int(word) for word in words.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise TrimtabError(f"{option} {words}: whole numbers with commas between, at least 1, were expected.")
    return found


@bench.command()
@click.argument("suite", default="smoke")
@click.option("--optimizers", metavar="A,B", help="Instead of the suite's own: gp, asha+tpe, tpe(startup=20), 'ga-*' …")
@click.option("--tasks", "pattern", default="*", metavar="PATTERN", help='Only tasks such as "bbob/*".')
@click.option("--seeds", type=COUNT, help="How many, from 0.")
@click.option("--evaluations", type=COUNT, metavar="N", help="Instead of the suite's own.")
@click.option("--workers", type=COUNT, metavar="N", help="Trials at once, in virtual time, instead of the suite's own.")
@click.option("--peers", is_flag=True, help="The suite's peers too, each in its environment (trimtab bench env).")
@click.option("--jobs", type=COUNT, help="Processes at once; default: the cores.")
@click.option("--limit", type=COUNT, default=3600, metavar="SECONDS", help="For one cell; then it is a time-out.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The file of results; default: bench/SUITE.jsonl.")
@click.option(
    "--again", type=click.Choice(["crashed", "timeout", "refused"]), multiple=True, help="Run what ended so once more."
)
@click.option("--dry-run", is_flag=True, help="How many cells, how many are there already, and what is missing.")
@data_option
def run(
    suite: str, optimizers: str | None, pattern: str, seeds: int | None, evaluations: int | None,
    workers: int | None, peers: bool, jobs: int | None, limit: int, out: Path | None, again: tuple[str, ...],
    dry_run: bool, data: str | None,
) -> int:  # fmt: skip
    """Run the cells of SUITE that the file of results does not hold yet.

    A cell is one optimizer on one task with one seed. A run that was interrupted, or killed, goes on with the same
    command. Suites: smoke (a minute), dev (half an hour), full.
    """
    from trimtab.bench import runs
    from trimtab.bench._families import data_folder
    from trimtab.bench._plan import plan
    from trimtab.bench.report._words import count

    path = out or FOLDER / f"{suite}.jsonl"
    made = plan(
        suite, names=_spelled_out(_listed(optimizers)), pattern=pattern, seeds=seeds, budget=evaluations,
        workers=workers, peers=peers, data=data,
    )  # fmt: skip
    _left_out(made.missing)
    open_ = (*runs.AGAIN, *again)
    there = {r.cell.address for r in runs.results(path) if r.state not in open_} if path.exists() else set()
    left = sum(cell.address not in there for cell in made.cells)
    say(
        f"{suite}: {count(len(made.cells), 'cell')} ({count(len({c.task for c in made.cells}), 'task')}, "
        f"{count(len({c.optimizer for c in made.cells}), 'optimizer')}), {len(made.cells) - left} there already, "
        f"{left} to run → {path}",
        err=True,
    )
    if dry_run:
        return 0
    if not made.cells:
        say(f"{suite}: nothing of it can be run here.", err=True)
        return 1
    states = runs.run(
        made.cells, path, jobs=jobs or 0, limit=float(limit), data=data_folder(data), again=again,
        told=_Progress(left).told,
    )  # fmt: skip
    words = ", ".join(f"{n} {state}" for state, n in states.most_common())
    say(f"{suite}: {words}     next: trimtab bench report {path if out else suite}", err=True)
    return 0 if states["done"] else 1


def _left_out(missing: Mapping[str, str]) -> None:
    """Each reason once, with what it keeps out."""
    by_reason: dict[str, list[str]] = {}
    for name, why in missing.items():
        by_reason.setdefault(why.removeprefix(f"{name}: "), []).append(name)
    for why, names in by_reason.items():
        more = f" and {len(names) - 1} more of {', '.join(dict.fromkeys(n.partition('/')[0] for n in names))}"
        say(folded("left out   ", f"{names[0]}{more * (len(names) > 1)}: {why}"), err=True)


class _Progress:
    """What is said while cells end: on a terminal one line that changes, in a log a line now and then."""

    def __init__(self, left: int) -> None:
        self.left, self.begun, self.ended, self.last = left, time.monotonic(), 0, 0.0
        self.known: set[str] = set()  # why something was missing: said once

    def told(self, result: Any, done: int, total: int) -> None:
        self.ended += 1
        now = time.monotonic()
        cell = result.cell
        screen = sys.stderr.isatty()
        if result.state in ("crashed", "timeout") or (result.state == "missing" and result.why not in self.known):
            self.known.add(result.why)
            what = f"{cell.optimizer} on {cell.task}, seed {cell.seed}: {result.state}. {result.why}"
            say(f"\r{what[: columns() - 1]:<{columns() - 1}}" if screen else what, err=True)
        if now - self.last < (0.2 if screen else 30.0) and self.ended < self.left:
            return
        self.last = now
        rest = (now - self.begun) / self.ended * (self.left - self.ended)
        line = f"{done}/{total}   {cell.optimizer} on {cell.task}   about {_span(rest)} left"
        say(
            f"\r{line[: columns() - 1]:<{columns() - 1}}" if screen else line,
            err=True,
            nl=not screen or self.ended == self.left,
        )


def _span(seconds: float) -> str:
    """90 -> "2 min" """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _files(words: tuple[str, ...]) -> list[Path]:
    """Names of suites, or files; without any, the newest of bench/. What is there by its very name is a file."""
    if not words:
        found = sorted(FOLDER.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
        if not found:
            raise TrimtabError("There are no results here yet. Make some: trimtab bench run smoke")
        return found[-1:]
    named = (Path(word) for word in words)
    return [path if path.suffix == ".jsonl" or path.is_file() else FOLDER / f"{path}.jsonl" for path in named]


@bench.command()
@click.argument("files", nargs=-1, metavar="[SUITE or FILE …]")
@click.option("--against", metavar="NAME", help="Say of each optimizer whether it is better, worse, or can't be told.")
@click.option("--optimizers", metavar="A,B", help="Only these.")
@click.option("--tasks", "pattern", default="*", metavar="PATTERN", help='Only tasks such as "bbob/*".')
@click.option("--at", "budgets", default="25,50,100", metavar="N,N", help="Evaluations at which they are compared.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="One page with tables and figures.")
@as_json
@data_option
def report(
    files: tuple[str, ...], against: str | None, optimizers: str | None, pattern: str, budgets: str, html: Path | None,
    as_json: bool, data: str | None,
) -> int:  # fmt: skip
    """Tables of results, with intervals; as a page with --html, for programs with --json."""
    from fnmatch import fnmatch

    from trimtab.bench._families import data_folder, task
    from trimtab.bench.report import report as reported
    from trimtab.bench.runs import results

    wanted, at = _listed(optimizers), _numbers(budgets, "--at")
    found = [
        result for result in results(*_files(files))
        if fnmatch(result.cell.task, pattern) and (not wanted or result.cell.optimizer in (*wanted, against))
    ]  # fmt: skip
    if not found:
        raise TrimtabError("None of the results is of such a task and optimizer.")
    folder = data_folder(data)
    told = reported(
        found, against=against, budgets=at,
        task=lambda name: task(name, folder),
        title=" ".join(["Benchmark", *(Path(word).stem for word in files)]),
    )  # fmt: skip
    if html:
        try:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(told.html(), encoding="utf-8", errors="replace")
        except OSError as error:
            raise TrimtabError(f"{html} can't be written: {error.strerror}.") from None
        say(f"{html} ({html.stat().st_size / 2**20:.1f} MB)", err=True)
    if as_json:
        say_json(told.to_json())
    elif not html:
        say(told.text(columns()))
    return 0


@bench.command()
@click.argument("files", nargs=-1, metavar="[SUITE or FILE …]")
@click.option("--tasks", "size", type=COUNT, required=True, metavar="N", help="How many to choose.")
@click.option("--optimizers", metavar="A,B", help="By whose results tasks are told apart; default: three unlike.")
@as_json
@data_option
def subset(files: tuple[str, ...], size: int, optimizers: str | None, as_json: bool, data: str | None) -> int:
    """N tasks that stand for all of them, by what optimizers reached there; and how good a choice that is."""
    from trimtab.bench._families import data_folder, task
    from trimtab.bench.picked import pick
    from trimtab.bench.runs import results

    folder = data_folder(data)
    told = pick(results(*_files(files)), size, _listed(optimizers), task=lambda name: task(name, folder))
    say_json(told.to_json()) if as_json else say(told.text())
    return 0


@bench.command()
@click.argument("optimizers", nargs=-1)
@click.option("--at", "sizes", default="50,100,300", metavar="N,N", help="Numbers of trials.")
@click.option("--task", default="analytic/levy8", metavar="TASK", help="On what.")
@click.option("--rounds", type=COUNT, default=3, help="Repeats, each of all optimizers in turn.")
@as_json
def speed(optimizers: tuple[str, ...], sizes: str, task: str, rounds: int, as_json: bool) -> int:
    """CPU time a suggestion against the number of trials, all OPTIMIZERS in one run."""
    from trimtab.bench.speed import speed as measured

    at = _numbers(sizes, "--at")
    told = measured(
        optimizers or ("random", "tpe", "gp", "auto"), task, at, rounds=rounds, say=lambda s: say(s, err=True)
    )
    say_json(told.to_json()) if as_json else say(told.text())
    return 0 if told.seconds else 1


@bench.command()
@click.option("--trials", type=COUNT, help="Left out: 100,000, fewer where a suggestion costs more than the log.")
@click.option("--workers", default="1,10,100,1000", metavar="N,N", help="Virtual workers.")
@click.option("--optimizer", default="random", metavar="NAME")
@as_json
def scale(trials: int | None, workers: str, optimizer: str, as_json: bool) -> int:
    """Many virtual workers and trials: utilisation, decisions a second, memory."""
    from trimtab.bench import scale as scales

    many = _numbers(workers, "--workers")
    rows = []
    for row in scales.scale(workers=many, trials=trials, optimizer=optimizer):
        rows.append(row)
        if not as_json:
            say(scales.table([row]) if len(rows) == 1 else scales.line(row))
    if as_json:
        say_json([row.to_json() for row in rows])
    return 0


@bench.command()
@click.argument("pattern", default="*")
@as_json
@data_option
def tasks(pattern: str, as_json: bool, data: str | None) -> int:
    """The families of tasks; with a PATTERN such as bbob or "bbob/*-d5-*", the tasks."""
    from fnmatch import fnmatch

    from trimtab.bench._families import data_folder, families, family, tasks

    if pattern != "*" and (found := tasks(pattern, data)):
        say_json(found) if as_json else say("\n".join(found))
        return 0
    folder, rows = data_folder(data), list[dict[str, Any]]()
    for one in map(family, families()):
        if not fnmatch(one.name, pattern.partition("/")[0]):
            continue
        try:
            many, why = len(one.names(folder)), ""
        except (TrimtabError, OSError) as error:
            many, why = 0, str(error)
        if not many and one.data:
            why = why or f"Reads {one.data}/ in a folder of yours: --data DIR, or $TRIMTAB_BENCH_DATA."
        rows.append({"name": one.name, "tasks": many, "summary": one.summary, "licence": one.licence, "missing": why})
    if pattern != "*":
        why = " ".join(row["missing"] for row in rows if row["missing"])
        say(f"No task matches {pattern}. {why}".strip(), err=as_json)
        say_json([]) if as_json else None
        return 1
    if as_json:
        say_json(rows)
        return 0
    for row in rows:
        say(folded(f"{row['name']:<14}{row['tasks'] or '–':>6}   ", row["summary"]))
        say(folded(f"{'':<23}", row["missing"] or f"Licence: {row['licence']}"))
    say("\nOne family's: trimtab bench tasks 'bbob/*-d5-*'. Any task with a wrapper: fixtures/hartmann6~noise=0.1")
    return 0


@bench.command()
@as_json
def optimizers(as_json: bool) -> int:
    """trimtab's own and the peers, and which are installed."""
    from trimtab.bench._optimizers import optimizers as known
    from trimtab.bench._optimizers import revision

    rows: list[dict[str, Any]] = [
        {"name": one.name, "package": one.package, "takes": sorted(one.takes), "env": one.env, "version": revision(one)}
        for one in known()
    ]
    if as_json:
        say_json(rows)
        return 0
    table = [
        (row["name"], "" if row["package"] == "trimtab" else row["package"], ", ".join(row["takes"]),
         row["version"] or f"not here: trimtab bench env {row['env']}")
        for row in rows
    ]  # fmt: skip
    say("\n".join(aligned([("optimizer", "package", "takes", "version"), *table])))
    return 0


@bench.command()
def suites() -> int:
    """The suites, and how large they are."""
    from trimtab.bench.report._words import count
    from trimtab.bench.suites import SUITES

    rows = [(one.name, count(one.seeds, "seed"), one.summary) for one in SUITES.values()]
    say("\n".join(aligned(rows)))
    return 0


@bench.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False)
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[-- PIP OPTIONS]")
def env(name: str | None, options: tuple[str, ...]) -> int:
    """Make the environment NAME in which peers run; without a name, list them."""
    from trimtab.bench import envs

    if name is None:
        rows = [(key, "there" if envs.python(key) else "not made", one.summary) for key, one in envs.ENVS.items()]
        say("\n".join(aligned(rows)))
        say("\nMake one: trimtab bench env hebo")
        return 0
    said: Callable[[str], None] = lambda line: say(line, err=True)  # noqa: E731
    say(str(envs.make(name, said, options=options)))
    return 0
