"""show, list, log, export, verify, methods: the commands that only look."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trimtab.cli._target import found, numbers, opened, split
from trimtab.cli._toml import FileError, load

if TYPE_CHECKING:
    from trimtab.study import Study

named = click.option("-s", "--study", "name", help="The study, where the storage holds several.")


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [N]")
@click.option("--failures", is_flag=True, help="What went wrong, most frequent first.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--toml", "as_toml", is_flag=True, help="The study as it now is, as a study.toml.")
@named
def show(words: tuple[str, ...], failures: bool, as_json: bool, as_toml: bool, name: str | None) -> int:
    """Where a study stands; with N, how one trial went and why it was tried."""
    from trimtab.study._summary import failures_page, overview, trial_page

    target, rest = split(words)
    here = opened(target, name)
    which = numbers(rest)
    if len(which) > 1:
        raise FileError("One trial at a time: trimtab show TARGET 17. For all: trimtab export TARGET.")
    if as_json:
        click.echo(_json(here.study, which))
    elif as_toml:
        click.echo(_toml(here.study), nl=False)
    elif failures:
        click.echo(failures_page(here.study))
    elif which:
        here.study.trial(which[0])  # a number that isn't there is refused
        click.echo(trial_page(here.study, which[0], here.target, here.folder))
    else:
        click.echo(overview(here.study, here.target))
    return 0


def _json(study: Study, which: list[int]) -> str:
    from trimtab.log import to_text
    from trimtab.study._tables import explain, trial_rows

    if which:
        trial = study.trial(which[0])
        return to_text(
            trial_rows([trial])[0] | {"config": dict(trial.config), "explain": explain(study._log, trial.number)}
        )
    told: dict[str, Any] = {
        "name": study.name,
        "objectives": study.objectives,
        "seed": study.seed,
        "counts": study.counts,
    }
    told |= {"searcher": study.searcher.name, "scheduler": study.scheduler.name, "space": study.space.to_json()}
    told["front" if len(study.objectives) > 1 else "best"] = trial_rows(study.front)
    return to_text(told)


def _toml(study: Study) -> str:
    from trimtab.cli._line import to_toml
    from trimtab.study._display import place

    newest = study._log.ledger.definitions[-1]
    document: dict[str, Any] = {"name": study.name}
    for word, goal in (("minimize", "min"), ("maximize", "max")):
        names = [n for n, g in study.objectives.items() if g == goal]
        if names:
            document[word] = names[0] if len(names) == 1 else names
    for key, role in (("constraints", "constraint"), ("hidden", "test")):
        if wanted := [n for n, m in newest["metrics"].items() if m.get("role") == role]:
            document[key] = wanted
    document["storage"] = place(study)
    document["seed"] = study.seed
    for key in ("searcher", "scheduler"):
        method = newest[key]
        document[key] = {"method": method["name"], **method["settings"]} if method["settings"] else method["name"]
    document |= {"duplicates": newest["duplicates"], "value": newest["value"]}
    space = study.space.to_json()
    document["space"] = {p["name"]: {k: v for k, v in p.items() if k != "name"} for p in space["parameters"]}
    if rules := {k: space[k] for k in ("require", "forbid") if space.get(k)}:
        document["rules"] = rules
    if newest["stop"]:
        document["stop"] = {r["rule"]: next(v for k, v in r.items() if k != "rule") for r in newest["stop"]}
    return to_toml(document)


@click.command("list")
@click.argument("target", required=False)
def list_studies(target: str | None) -> int:
    """The studies of a storage."""
    from trimtab.study import studies

    target = found(target)
    storage = load(target).storage if target.endswith(".toml") else target
    if "://" not in storage and not Path(storage).exists():
        raise FileError(f"There is no {storage}.")
    rows = [
        (s["name"], f"{s['trials']} trials", f"{s['failed']} failed" if s["failed"] else "",
         "" if s["best"] is None else f"best {next(iter(s['objectives']))} {s['best']:.4g}")
        for s in studies(storage)
    ]  # fmt: skip
    wide = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
    for row in rows:
        click.echo("   ".join(f"{cell:<{w}}" for cell, w in zip(row, wide, strict=True) if w).rstrip())
    if not rows:
        click.echo(f"{target} holds no study.")
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N")
@named
def log(words: tuple[str, ...], name: str | None) -> int:
    """The output of one trial."""
    target, rest = split(words)
    if len(rest) != 1:
        raise FileError("Whose output? Give a trial's number: trimtab log TARGET 17")
    here, number = opened(target, name), numbers(rest)[0]
    here.study.trial(number)
    place = None if here.folder is None else here.folder / f"{number:03d}"
    files = [place / n for n in ("stdout", "stderr") if (place / n).exists()] if place else []
    if not files:
        raise FileError(
            f"Trial {number} left no output{f' in {place}' if place else ''}. (With workers=1 it goes to the terminal.)"
        )
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        if text:
            click.echo(f"── {file.name} ──", err=True)
            sys.stdout.write(text if text.endswith("\n") else text + "\n")
    return 0


@click.command()
@click.argument("target", required=False)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="A .csv, .json, .jsonl or .parquet file. Default: CSV here."
)
@click.option("--what", type=click.Choice(["trials", "reports", "events"]), default="trials", show_default=True)
@named
def export(target: str | None, output: str | None, what: str, name: str | None) -> int:
    """Every trial (or report, or event) as a table."""
    from trimtab.study._tables import rows_of

    study = opened(target, name).study
    if output:
        try:
            study.export(output, what=what)
        except OSError as error:
            raise FileError(f"{output} can't be written: {error.strerror}.") from None
        click.echo(f"Wrote {output}.", err=True)
    else:
        _to_stdout(rows_of(study, what))
    return 0


def _to_stdout(rows: list[dict[str, Any]]) -> None:
    from trimtab.study._tables import write

    try:
        write(rows, sys.stdout, ".csv")
        sys.stdout.flush()
    except BrokenPipeError:  # `trimtab export … | head`: enough was read
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.command()
@click.argument("target", required=False)
@named
def verify(target: str | None, name: str | None) -> int:
    """Recompute every decision of a study and tell how many agree."""
    from trimtab.study.verify import verify as recompute

    study = opened(target, name).study
    began = time.monotonic()
    told = recompute(study._log.storage, study.name)
    took = time.monotonic() - began
    verdicts = f" and all {told.verdicts} verdicts" if told.verdicts else ""
    if told.ok:
        click.echo(f"{study.name}: all {told.decisions} decisions{verdicts} came out the same ({took:.1f} s).")
        return 0
    some = f" and {told.upheld} of {told.verdicts} verdicts" if told.verdicts else ""
    click.echo(
        f"{study.name}: {told.agree} of {told.decisions} decisions{some} came out the same. The first that differs:"
    )
    click.echo(f"  {told.first_difference}")
    if not told.same_environment:
        click.echo(
            "They were made with another version of Python, numpy, scipy or the method: differences are no fault there."
        )
        return 0
    return 1


def _folded(head: str, text: str) -> str:
    """Text after a head, folded to the terminal with its later lines under its first."""
    columns = min(shutil.get_terminal_size().columns, 120)
    return (
        textwrap.fill(text, columns, initial_indent=head, subsequent_indent=" " * len(head)) if text else head.rstrip()
    )


@click.command()
@click.argument("name", required=False)
def methods(name: str | None) -> int:
    """The searchers and schedulers; with NAME, the settings of one."""
    from trimtab._registry import REQUIRED
    from trimtab.errors import UnknownName
    from trimtab.schedule._registry import REGISTRY as schedulers
    from trimtab.search._registry import REGISTRY as searchers

    rows = [
        (kind, row)
        for kind, registry in (("searcher", searchers), ("scheduler", schedulers))
        for row in registry.describe()
    ]
    if name is None:
        wide = max(len(row.name) for _, row in rows)
        for kind, registry in (("searcher", searchers), ("scheduler", schedulers)):
            click.echo(f"{registry.kind}s")
            for _, row in (pair for pair in rows if pair[0] == kind):
                click.echo(f"  {row.name:<{wide}}   {row.summary}")
        return 0
    found_rows = [(kind, row) for kind, row in rows if row.name == name]
    if not found_rows:
        raise UnknownName(name, among=[row.name for _, row in rows], kind="method")
    for kind, row in found_rows:
        click.echo(f"{row.name} ({kind}): {row.summary}")
        defaults = {name: "required" if value == REQUIRED else repr(value) for name, value in row.settings.items()}
        wide, much = (max(map(len, part), default=0) for part in (defaults, defaults.values()))
        for setting, default in defaults.items():
            click.echo(_folded(f"  {setting:<{wide}}   {default:<{much}}   ", row.meanings.get(setting, "")))
        for word, text in (("takes", ", ".join(row.takes)), ("source", row.source)):
            if text:
                click.echo(_folded(f"{word:<9}", text))
        click.echo(f"code     {row.home}")
    return 0
