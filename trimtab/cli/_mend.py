"""ask, tell, retry, enqueue, correct, invalidate, restore, note, stop: the commands that add to a study by hand."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import click

from trimtab.cli import _complete as complete
from trimtab.cli._options import NUMBER, named
from trimtab.cli._set import pair
from trimtab.cli._target import Opened, found, numbers, opened, split
from trimtab.cli._toml import FileError, load
from trimtab.cli._words import say, say_json

reason = click.option("--reason", required=True, help="Whoever reads the log will ask.")
# Variables that a shell lives by: `eval "$(trimtab ask … --format env)"` must not set them.
SHELL = re.compile(
    r"PATH|IFS|HOME|SHELL|PWD|OLDPWD|USER|LOGNAME|ENV|BASH\w*|LD_\w+|DYLD_\w+|PS[0-4]|PROMPT_COMMAND|OPT(IND|ARG|ERR)|"
    r"UID|EUID|PPID|SHELLOPTS|FUNCNAME|GROUPS|SECONDS|RANDOM|LINENO|LANG|LC_\w+|PYTHON\w+|TRIAL|TRIMTAB_\w+|_"
)


def _some(words: Sequence[str], name: str | None, verb: str) -> tuple[Opened, list[int]]:
    target, rest = split(words)
    if not rest:
        raise FileError(f"Which trials? Give their numbers: trimtab {verb} TARGET 17 23")
    which = numbers(rest)
    return opened(target, name), which


def _one(words: Sequence[str], name: str | None, verb: str) -> tuple[Opened, int, list[str]]:
    target, rest = split(words)
    if not rest:
        raise FileError(f"Which trial? Give its number: trimtab {verb} TARGET 17 …")
    number = numbers(rest[:1])[0]
    return opened(target, name), number, rest[1:]


def _values(words: Sequence[str]) -> dict[str, float]:
    values = {}
    for word in words:
        metric, equals, number = word.rpartition("=")  # a metric may be called "a=b", a number has no such sign
        try:
            values[metric] = float(number)
        except ValueError:
            equals = ""
        if not equals or not metric:
            raise FileError(f'"{word}": write metric=number, as loss=0.31.')
    return values


def _shown(which: Sequence[int]) -> str:
    return f"trial{'s' * (len(which) != 1)} {', '.join(map(str, which))}"


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [N …]", shell_complete=complete.failed)
@named
def retry(words: tuple[str, ...], name: str | None) -> int:
    """Put failed trials back into the queue.

    Without numbers all failed ones. The next run tries them first.
    """
    target, rest = split(words)
    which = numbers(rest)
    with closing((here := opened(target, name)).study):
        chosen = here.study.retry(which if rest else "failed")
        told = f"{_shown(chosen)} will be tried again." if chosen else "no trial has failed."
    say(f"{here.study.name}: {told}")
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [NAME=VALUE …]", shell_complete=complete.try_words)
@click.option("--trial", type=NUMBER, help="The configuration of this trial.",
              shell_complete=complete.numbers)  # fmt: skip
@click.option("--seed", type=NUMBER, help="Of the new trial: the same configuration once more.")
@named
def enqueue(words: tuple[str, ...], trial: int | None, seed: int | None, name: str | None) -> int:
    """Try a configuration next. What is not said is filled in by the searcher.

    \b
    trimtab enqueue study.toml alpha=0.3 mode=safe
    trimtab enqueue study.toml --trial 17 --seed 1     once more, with another seed
    """
    from trimtab.cli._try import typed_value

    target, rest = split(words)
    if not rest and trial is None:
        raise FileError("Which configuration? trimtab enqueue TARGET alpha=0.3 mode=safe, or --trial 17 --seed 1")
    with closing(_asked(target, name)) as study:
        config: dict[str, Any] = {} if trial is None else dict(study.trial(trial).config)
        for word in rest:
            key, said = pair(word, "alpha=0.3")
            config[key] = typed_value(study.space, key, said)
        new = study.enqueue(config, seed=seed, why="enqueued on the command line")
    say(
        f"{study.name}: "
        + ("queued; it is tried next." if new else "it was in the queue before. (--seed 1: once more)")
    )
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N METRIC=NUMBER …", shell_complete=complete.values)
@reason
@named
def correct(words: tuple[str, ...], reason: str, name: str | None) -> int:
    """Give a trial other values; the log keeps both."""
    here, number, rest = _one(words, name, "correct")
    with closing(here.study):
        trial = here.study.correct(number, (told := _values(rest)), reason=reason)
    now = {**trial.values, **{k: v for k, v in told.items() if k not in trial.values}}
    say(f"trial {number}: " + "   ".join(f"{k} {v:g}" for k, v in now.items()))
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N …", shell_complete=complete.words)
@reason
@named
def invalidate(words: tuple[str, ...], reason: str, name: str | None) -> int:
    """Take trials out: nothing reads them any more. `restore` brings them back."""
    here, which = _some(words, name, "invalidate")
    with closing(here.study):
        here.study.invalidate(which, reason=reason)
    say(f"{here.study.name}: {_shown(which)} taken out.")
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N …", shell_complete=complete.words)
@click.option("--reason", default="", help="Kept in the log.")
@named
def restore(words: tuple[str, ...], reason: str, name: str | None) -> int:
    """Bring invalidated trials back."""
    here, which = _some(words, name, "restore")
    with closing(here.study):
        here.study.restore(which, reason=reason)
    say(f"{here.study.name}: {_shown(which)} back in.")
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] [N] TEXT", shell_complete=complete.words)
@named
def note(words: tuple[str, ...], name: str | None) -> int:
    """Keep words with a trial, or with the study."""
    if len(words) < 2:
        raise FileError('Which study, and what? trimtab note TARGET 17 "batch norm was off"')
    target, rest = split(words)
    if rest[0].isdigit() and len(rest) == 1:
        raise FileError(f'Trial {rest[0]}, and which words? trimtab note TARGET {rest[0]} "batch norm was off"')
    which = numbers([rest.pop(0)])[0] if rest[0].isdigit() else None
    with closing((here := opened(target, name)).study):
        here.study.note(which, " ".join(rest))
    say(f"{here.study.name}: noted{'' if which is None else f' with trial {which}'}.")
    return 0


@click.command()
@click.argument("target", required=False, shell_complete=complete.files)
@click.option("--why", metavar="TEXT", default="stopped by the user", help="Kept in the log.")
@named
def stop(target: str | None, why: str, name: str | None) -> int:
    """End a study, wherever it runs.

    Every driver on every machine: running trials end at their next step.
    """
    with closing((here := opened(target, name)).study):
        here.study.stop(why)
        running = here.study.counts["running"]
    told = f" {running} running trial{'s end' if running > 1 else ' ends'} at the next step." if running else ""
    say(f"{here.study.name}: stopped.{told}")
    return 0


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("target", required=False, shell_complete=complete.files)
@click.option("--format", "form", type=click.Choice(["json", "env", "args"]), default="json", show_default=True)
@click.option(
    "--lease", metavar="TIME", help='Offer the trial again when it was not told in this time: seconds, or "2h".'
)
@named
def ask(target: str | None, form: str, lease: str | None, name: str | None) -> int:
    """A new trial to evaluate by hand.

    \b
    eval "$(trimtab ask study.toml --format env)"
    trimtab tell study.toml "$TRIAL" cost="$(./solver "$alpha")"
    """
    with closing(_asked(target, name)) as study:
        if form == "env":
            _names(study.space.names)  # before a trial is taken
        trial = study.ask(expires=lease)
    config = trial.config.labels
    if form == "json":
        say_json({"trial": trial.number, "seed": trial.seed, "budget": trial.budget, "config": config})
    elif form == "env":
        given = {v: config[n] for n, v in _names(config).items()}
        click.echo(" ".join(f"{k}={shlex.quote(_word(v))}" for k, v in {"TRIAL": trial.number, **given}.items()))
    else:
        click.echo(" ".join(shlex.quote(w) for k, v in config.items() for w in (f"--{k}", _word(v))))
        say(f"trial {trial.number}", err=True)
    return 0


def _asked(target: str | None, name: str | None) -> Any:
    """The study of a target; a study file may be the first to name it."""
    target = found(target)
    if not target.endswith(".toml") or name is not None:
        return opened(target, name).study
    return load(target).open()


def _names(config: Any) -> dict[str, str]:
    """Parameters by what a shell's variables may be called: other signs become _."""
    out: dict[str, str] = {}
    for name in config:
        variable = re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII)
        if SHELL.fullmatch(variable):
            raise FileError(f'The parameter "{name}" would set ${variable}, which your shell needs. Use --format json.')
        if variable in out.values():
            twin = next(n for n, v in out.items() if v == variable)
            raise FileError(f'"{twin}" and "{name}" would both be ${variable}. Use --format json.')
        out[name] = variable
    return out


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@click.command()
@click.argument("words", nargs=-1, metavar="[TARGET] N METRIC=NUMBER …", shell_complete=complete.values)
@click.option("--failed", metavar="WHY", help="It has no values: it failed.")
@click.option("--sem", "spread", metavar="METRIC=NUMBER", multiple=True, help="The standard error of a value.")
@click.option("--step", type=float, metavar="N", help="The step at which it ended.")
@click.option("--seconds", type=float, metavar="N", help="How long it took.")
@named
def tell(words: tuple[str, ...], failed: str | None, spread: tuple[str, ...], name: str | None, **more: Any) -> int:
    """The end of a trial that was asked for by hand."""
    here, number, rest = _one(words, name, "tell")
    with closing(here.study) as study:
        if not rest and failed is None and study.trial(number).step is None:
            objective = next(iter(study.objectives), "loss")
            raise FileError(f"What came of trial {number}? trimtab tell TARGET {number} {objective}=0.31")
        if rest and failed is not None:
            raise FileError("A trial has values or has failed: leave one of the two out.")
        told = {"sem": _values(spread) or None, "step": more["step"], "cost": more["seconds"]}
        study.tell(number, _values(rest) if rest else None, failed=failed, **told)
    return 0
