"""Completion of what is typed, and the command that switches it on: trimtab completion bash.

Words that don't exist yet or can't be read complete to nothing: a shell that waits for an answer must get none of our
errors. A study is opened for its numbers only while it is small enough to be read in a moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from trimtab.cli._words import clean

if TYPE_CHECKING:
    from trimtab.history import Trial
    from trimtab.space import Space
    from trimtab.study import Study

SMALL = 8_000_000  # bytes of a database that are read within a second
SHELLS = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/trimtab.fish"}
Words = Iterable[str | tuple[str, str]]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(find: Callable[[click.Context, str], Words]) -> Completer:
    @wraps(find)
    def found(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            pairs = [(w, "") if isinstance(w, str) else w for w in find(ctx, incomplete)]
        except Exception:  # whatever it is, the next command will say it; here it would only spoil the line
            return []
        return [CompletionItem(clean(w), help=clean(h) or None) for w, h in pairs if w.startswith(incomplete)]

    return found


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────────────


def _files(incomplete: str) -> Iterator[str]:
    """Study files, databases, and the folders on the way to them."""
    from trimtab.cli._target import is_study

    head, slash, _ = incomplete.rpartition("/")
    for path in sorted(Path(head + slash or ".").iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            yield f"{head}{slash}{path.name}/"
        elif path.suffix in (".db", ".sqlite") or (path.suffix == ".toml" and is_study(path)):
            yield f"{head}{slash}{path.name}"


def _given(ctx: click.Context) -> list[str]:
    """The words before this one."""
    words = ctx.params.get("words") or ([ctx.params["target"]] if ctx.params.get("target") else [])
    return [w for w in words if w]


def _plan(ctx: click.Context) -> Any:
    from trimtab.cli._target import split, to_run
    from trimtab.cli._toml import load

    return load(to_run(split(_given(ctx))[0]))


def _study(ctx: click.Context) -> Study | None:
    from trimtab.cli._target import opened, split, storage_of

    target = split(_given(ctx))[0]
    if target is not None and "://" not in (storage := storage_of(target)) and Path(storage).stat().st_size > SMALL:
        return None
    return opened(target, ctx.params.get("name")).study


def _space(ctx: click.Context) -> Space | None:
    space: Space | None = _plan(ctx).make_space()
    return space


def _numbers(ctx: click.Context, incomplete: str, only: str = "") -> Iterator[tuple[str, str]]:
    study = _study(ctx)
    if study is None:
        return
    with closing(study):
        for trial in study.trials:
            if not only or trial.state == only:
                yield str(trial.number), _told(trial)


def _told(trial: Trial) -> str:
    return f"{trial.state} " + " ".join(f"{k} {v:.4g}" for k, v in trial.values.items())


# ── of each argument ─────────────────────────────────────────────────────────────────────────────────────────────


@_completer
def files(ctx: click.Context, incomplete: str) -> Words:
    return _files(incomplete)


@_completer
def targets(ctx: click.Context, incomplete: str) -> Words:
    """Any number of them."""
    return _files(incomplete)


@_completer
def words(ctx: click.Context, incomplete: str) -> Words:
    """[TARGET] then numbers."""
    return _numbers(ctx, incomplete) if _given(ctx) or incomplete.isdigit() else _files(incomplete)


@_completer
def numbers(ctx: click.Context, incomplete: str) -> Words:
    return _numbers(ctx, incomplete)


@_completer
def failed(ctx: click.Context, incomplete: str) -> Words:
    return _numbers(ctx, incomplete, "failed") if _given(ctx) or incomplete.isdigit() else _files(incomplete)


@_completer
def values(ctx: click.Context, incomplete: str) -> Words:
    """[TARGET] N metric=…"""
    if len(_given(ctx)) < 2:
        return _numbers(ctx, incomplete) if _given(ctx) or incomplete.isdigit() else _files(incomplete)
    study = _study(ctx)
    return [] if study is None else [f"{name}=" for name in study.objectives]


@_completer
def try_words(ctx: click.Context, incomplete: str) -> Words:
    """[TARGET] then name=value, with the labels of a choice."""
    if not _given(ctx):
        return _files(incomplete)
    space = _space(ctx)
    if space is None:
        return []
    name, equals, _ = incomplete.partition("=")
    labels = getattr(space.domains.get(name), "labels", None)
    if equals and labels is not None:
        return [f"{name}={label}" for label in labels]
    from trimtab.space._forms import show

    return [(f"{n}=", show(d)) for n, d in space.domains.items()]


@_completer
def studies(ctx: click.Context, incomplete: str) -> Words:
    from trimtab.cli._target import found, split, storage_of
    from trimtab.storage import open_stored

    with closing(open_stored(storage_of(found(split(_given(ctx))[0])))) as store:
        return list(store.names())


@_completer
def keys(ctx: click.Context, incomplete: str) -> Words:
    """Of --set: the keys of a study file, and the parameters of this one."""
    from trimtab.cli._toml import RULES, run_keys, stop_keys, study_keys

    found = [f"{k}=" for k in study_keys()]
    for table, names in (("run", run_keys()), ("stop", stop_keys()), ("rules", RULES)):
        found += [f"{table}.{name}=" for name in names]
    if incomplete.startswith("s"):
        space = _space(ctx)
        found += [f"space.{name}=" for name in space.names] if space is not None else []
    return found


@_completer
def placeholders(ctx: click.Context, incomplete: str) -> Words:
    """Of -p: the names that a program after -- has in braces and nobody has given yet."""
    from trimtab.run._template import BUILT_IN

    program = " ".join(ctx.meta.get("program", ()))
    known = {d.partition("=")[0] for d in ctx.params.get("domains") or ()} | set(BUILT_IN)
    return [f"{n}=" for n in dict.fromkeys(re.findall(r"(?<!\{)\{([^{}?]+)", program)) if n not in known]


@_completer
def metrics(ctx: click.Context, incomplete: str) -> Words:
    from trimtab.run._metrics import BUILT_IN

    return [*BUILT_IN, *(m.partition("=")[0] for m in ctx.params.get("metrics") or ())]


def _methods(*kinds: str) -> Words:
    from trimtab.schedule._registry import REGISTRY as schedulers
    from trimtab.search._registry import REGISTRY as searchers

    return [(r.name, r.summary) for g in (searchers, schedulers) if g.kind in kinds for r in g.describe()]


@_completer
def searchers(ctx: click.Context, incomplete: str) -> Words:
    return _methods("searcher")


@_completer
def method_names(ctx: click.Context, incomplete: str) -> Words:
    return _methods("searcher", "scheduler")


# ── switching it on ──────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> int:
    """Print the lines that switch completion on in a shell.

    \b
    bash   echo 'eval "$(trimtab completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(trimtab completion zsh)"' >> ~/.zshrc
    fish   trimtab completion fish > ~/.config/fish/completions/trimtab.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    group = click.get_current_context().find_root().command
    source = made(group, {}, "trimtab", "_TRIMTAB_COMPLETE").source_vars()
    click.echo((made.source_template % source).strip())
    return 0
