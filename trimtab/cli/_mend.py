"""ask, tell, retry, correct, invalidate, restore, note, stop: the commands that add to a study by hand."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

import click

from trimtab.cli._look import named
from trimtab.cli._target import Opened, numbers, opened, split
from trimtab.cli._toml import FileError, load

reason = click.option("--reason", required=True, help="Whoever reads the log will ask.")


def _some(words: Sequence[str], name: str | None, verb: str) -> tuple[Opened, list[int]]:
    target, rest = split(words)
    if not rest:
        raise FileError(f"Which trials? Give their numbers: trimtab {verb} TARGET 17 23")
    return opened(target, name), numbers(rest)


def _one(words: Sequence[str], name: str | None, verb: str) -> tuple[Opened, int, list[str]]:
    target, rest = split(words)
    if not rest:
        raise FileError(f"Which trial? Give its number: trimtab {verb} TARGET 17 …")
    return opened(target, name), numbers(rest[:1])[0], rest[1:]


def _values(words: Sequence[str]) -> dict[str, float]:
    values = {}
    for word in words:
        metric, equals, number = word.partition("=")
        try:
            values[metric] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise FileError(f'"{word}": write metric=number, as loss=0.31.')
    return values


def _shown(which: Sequence[int]) -> str:
    return f"trial{'s' * (len(which) != 1)} {', '.join(map(str, which))}"


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [N …]")
@named
def retry(words: tuple[str, ...], name: str | None) -> int:
    """Put failed trials back into the queue; the next run tries them first. Default: all failed ones."""
    target, rest = split(words)
    here = opened(target, name)
    which = here.study.retry(numbers(rest) if rest else "failed")
    click.echo(
        f"{here.study.name}: {_shown(which)} will be tried again."
        if which
        else f"{here.study.name}: no trial has failed."
    )
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N METRIC=NUMBER …")
@reason
@named
def correct(words: tuple[str, ...], reason: str, name: str | None) -> int:
    """Give a trial other values; the log keeps both."""
    here, number, rest = _one(words, name, "correct")
    trial = here.study.correct(number, _values(rest), reason=reason)
    click.echo(f"trial {number}: " + "   ".join(f"{k} {v:g}" for k, v in trial.values.items()))
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N …")
@reason
@named
def invalidate(words: tuple[str, ...], reason: str, name: str | None) -> int:
    """Take trials out: nothing reads them any more. `restore` brings them back."""
    here, which = _some(words, name, "invalidate")
    here.study.invalidate(which, reason=reason)
    click.echo(f"{here.study.name}: {_shown(which)} taken out.")
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N …")
@click.option("--reason", default="", help="Kept in the log.")
@named
def restore(words: tuple[str, ...], reason: str, name: str | None) -> int:
    """Bring invalidated trials back."""
    here, which = _some(words, name, "restore")
    here.study.restore(which, reason=reason)
    click.echo(f"{here.study.name}: {_shown(which)} back in.")
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [N] TEXT")
@named
def note(words: tuple[str, ...], name: str | None) -> int:
    """Keep words with a trial, or with the study."""
    if len(words) < 2:
        raise FileError('Which study, and what? trimtab note TARGET 17 "batch norm was off"')
    target, rest = words[0], list(words[1:])
    which = int(rest.pop(0)) if rest[0].isdigit() and len(rest) > 1 else None
    opened(target, name).study.note(which, " ".join(rest))
    return 0


@click.command()
@click.argument("target", required=False)
@click.option("--why", default="stopped by the user", help="Kept in the log.")
@named
def stop(target: str | None, why: str, name: str | None) -> int:
    """End a study for every driver on every machine: running trials end at their next step."""
    here = opened(target, name)
    here.study.stop(why)
    click.echo(f"{here.study.name}: stopped.")
    return 0


@click.command()
@click.argument("target", required=False)
@click.option("--format", "form", type=click.Choice(["json", "env", "args"]), default="json", show_default=True)
@click.option("--lease", help='Offer the trial again when it was not told in this time: seconds, or "2h".')
@named
def ask(target: str | None, form: str, lease: str | None, name: str | None) -> int:
    """A new trial to evaluate by hand.

    \b
    eval "$(trimtab ask study.toml --format env)"
    trimtab tell study.toml "$TRIAL" cost="$(./solver "$alpha")"
    """
    from trimtab.cli._target import found

    target = found(target)
    study = load(target).open() if target.endswith(".toml") else opened(target, name).study
    trial = study.ask(expires=lease)
    config = trial.config.labels
    if form == "json":
        click.echo(json.dumps({"trial": trial.number, "seed": trial.seed, "budget": trial.budget, "config": config}))
    elif form == "env":
        click.echo(
            " ".join(f"{k}={shlex.quote(_word(v))}" for k, v in {"TRIAL": trial.number, **_names(config)}.items())
        )
    else:
        click.echo(" ".join(shlex.quote(w) for k, v in config.items() for w in (f"--{k}", _word(v))))
    return 0


def _names(config: dict[str, Any]) -> dict[str, Any]:
    """Names as a shell's variables: other signs become _."""
    import re

    return {re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII): value for name, value in config.items()}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N METRIC=NUMBER …")
@click.option("--failed", help="It failed: why.")
@named
def tell(words: tuple[str, ...], failed: str | None, name: str | None) -> int:
    """The end of a trial that was asked for by hand."""
    here, number, rest = _one(words, name, "tell")
    if not rest and failed is None and here.study.trial(number).step is None:
        objective = next(iter(here.study.objectives), "loss")
        raise FileError(f"What came of trial {number}? trimtab tell {here.target} {number} {objective}=0.31")
    here.study.tell(number, _values(rest) if rest else None, failed=failed)
    return 0
