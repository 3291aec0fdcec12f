"""show, list, log, export: the commands that only look."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from trimtab.cli import _complete as complete
from trimtab.cli._options import as_json, named
from trimtab.cli._target import Opened, found, numbers, opened, split, storage_of
from trimtab.cli._toml import FileError
from trimtab.cli._words import clean, say, say_json

TEXT = (".csv", ".json", ".jsonl")


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [N]", shell_complete=complete.words)
@click.option("--failures", is_flag=True, help="What went wrong, most frequent first.")
@as_json
@click.option("--toml", "as_toml", is_flag=True, help="The study as it now is, as a study.toml.")
@named
def show(words: tuple[str, ...], failures: bool, as_json: bool, as_toml: bool, name: str | None) -> int:
    """Where a study stands; with N, how one trial went."""
    from trimtab.study._summary import failures_page, overview, trial_page

    target, rest = split(words)
    which = numbers(rest)
    if len(which) > 1:
        raise FileError("One trial at a time: trimtab show TARGET 17. For all: trimtab export TARGET.")
    with closing((here := opened(target, name)).study):
        study = here.study
        if failures:
            say_json(study.failures()) if as_json else say(failures_page(study))
        elif as_json:
            _show_json(here, which)
        elif as_toml:
            from trimtab.cli._again import toml_of

            say(toml_of(study, here.plan), nl=False)
        elif which:
            study.trial(which[0])  # a number that isn't there is refused
            say(trial_page(study, which[0], here.target, here.folder))
        else:
            _show(here, overview(study, here.target, here.total))
    return 0


def _show(here: Opened, page: str) -> None:
    """The page, and after its headline which running trials have nobody who runs them."""
    from trimtab.cli._alive import asked_by_hand, without_a_sign

    head, *rest = page.split("\n")
    told = [*without_a_sign(here.study), *asked_by_hand(here.study, here.target)]
    say("\n".join([head, *(f"  {line}" for line in told), *rest]))


def _show_json(here: Opened, which: list[int]) -> None:
    from trimtab.cli._json import study_json, whole_trial_json

    if not which:
        say_json(study_json(here.study))
        return
    here.study.trial(which[0])
    say_json(whole_trial_json(here.study, which[0], _outputs(here, which[0])[1]))


@click.command("list")
@click.argument("target", required=False, shell_complete=complete.files)
@as_json
def list_studies(target: str | None, as_json: bool) -> int:
    """The studies of a storage."""
    from trimtab.cli._rows import aligned
    from trimtab.study._open import studies
    from trimtab.study._status import about

    target = found(target)
    rows = studies(storage_of(target))
    for row in rows:
        row["age"] = max(0.0, time.time() - row["changed"])
    if as_json:
        keys = ("name", "objectives", "trials", "best", "age")
        say_json([{k: row[k] for k in keys} | {"counts": _counts(row)} for row in rows])
        return 0
    cells = [
        (
            row["name"],
            f"{row['trials']} trial{'s' * (row['trials'] != 1)}",
            f"{row['failed']} failed" if row["failed"] else "",
            "" if row["best"] is None else f"best {next(iter(row['objectives']))} {row['best']:.4g}",
            f"{about(row['age']).removeprefix('about ')} ago",
        )
        for row in rows
    ]
    for line in aligned(cells):
        say(line)
    if not rows:
        say(f"{target} holds no study.")
    return 0


def _counts(row: dict[str, Any]) -> dict[str, int]:
    words = ("queued", "running", "paused", "finished", "stopped", "failed", "lost", "invalid", "counted")
    return {word: row[word] for word in words if word in row}


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N", shell_complete=complete.words)
@named
def log(words: tuple[str, ...], name: str | None) -> int:
    """The output of one trial."""
    target, rest = split(words)
    if len(rest) != 1:
        raise FileError("Whose output? Give a trial's number: trimtab log TARGET 17")
    which = numbers(rest)
    with closing((here := opened(target, name)).study):
        here.study.trial(which[0])
        place, files = _outputs(here, which[0])
    if not files:
        raise FileError(
            f"Trial {which[0]} left no output{f' in {place}' if place else ''}. "
            "(With one worker, a Python function prints to the terminal.)"
        )
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        if text:
            say(f"── {file.name} ──", err=True)
            _write(text if text.endswith("\n") else text + "\n")
    return 0


def _outputs(here: Opened, number: int) -> tuple[Path | None, list[Path]]:
    """The folder of a trial, and what it wrote there."""
    place = None if here.folder is None else here.folder / f"{number:03d}"
    return place, [f for n in ("stdout", "stderr") if (f := place / n).is_file()] if place else []


@click.command()
@click.argument("target", required=False, shell_complete=complete.files)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="A .csv, .json, .jsonl or .parquet file. Default: CSV here.",
)
@click.option("--what", type=click.Choice(["trials", "reports", "events"]), default="trials", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="JSON here instead of CSV.")
@named
def export(target: str | None, output: str | None, what: str, as_json: bool, name: str | None) -> int:
    """Every trial (or report, or event) as a table."""
    from trimtab.study._tables import rows_of

    with closing(opened(target, name).study) as study:
        if output is None:
            _to_stdout(rows_of(study, what), ".json" if as_json else ".csv")
            return 0
        if as_json and not output.endswith(TEXT[1:]):
            raise FileError(f"--json and -o {output}: the file's suffix says the form. Leave --json out.")
        try:
            study.export(output, what=what)
        except OSError as error:
            raise FileError(f"{output} can't be written: {error.strerror}.") from None
        say(f"Wrote {output}.", err=True)
    return 0


def _to_stdout(rows: list[dict[str, Any]], suffix: str) -> None:
    import io

    from trimtab.study._tables import write

    text = io.StringIO()
    write(rows, text, suffix)
    _write(clean(text.getvalue()) if sys.stdout.isatty() else text.getvalue())


def _write(text: str) -> None:
    """To stdout, as it is."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
