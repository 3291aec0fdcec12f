"""methods, verify, compare, report: what there is to choose from, and what a study proves."""

from __future__ import annotations

import time
from contextlib import closing

import click

from trimtab.cli import _complete as complete
from trimtab.cli._options import as_json, named
from trimtab.cli._rows import folded
from trimtab.cli._target import opened
from trimtab.cli._toml import FileError
from trimtab.cli._words import say, say_json


@click.command()
@click.argument("target", required=False, shell_complete=complete.files)
@as_json
@named
def verify(target: str | None, as_json: bool, name: str | None) -> int:
    """Recompute every decision of a study and tell how many agree."""
    from trimtab.study.verify import verify as recompute

    with closing(opened(target, name).study) as study:
        began = time.monotonic()
        told = recompute(study._log.storage, study.name)
        took = time.monotonic() - began
    code = 0 if told.ok or not told.same_environment else 1
    if as_json:
        keys = ("decisions", "agree", "verdicts", "upheld", "ok", "same_environment", "first_difference")
        say_json({"name": study.name, **{k: getattr(told, k) for k in keys}, "seconds": took})
        return code
    verdicts = f" and all {told.verdicts} verdicts" if told.verdicts else ""
    if told.ok:
        say(f"{study.name}: all {told.decisions} decisions{verdicts} came out the same ({took:.1f} s).")
        return code
    some = f" and {told.upheld} of {told.verdicts} verdicts" if told.verdicts else ""
    say(f"{study.name}: {told.agree} of {told.decisions} decisions{some} came out the same. The first that differs:")
    say(f"  {told.first_difference}")
    if not told.same_environment:
        say(
            "They were made with another version of Python, numpy, scipy or the method: differences are no fault there."
        )
    return code


@click.command()
@click.argument("name", required=False, shell_complete=complete.method_names)
@as_json
def methods(name: str | None, as_json: bool) -> int:
    """The searchers and schedulers; with NAME, the settings of one."""
    from trimtab._registry import REQUIRED
    from trimtab.errors import UnknownName
    from trimtab.schedule._registry import REGISTRY as schedulers
    from trimtab.search._registry import REGISTRY as searchers

    rows = [(registry.kind, row) for registry in (searchers, schedulers) for row in registry.describe()]
    if name is not None and name not in [row.name for _, row in rows]:
        raise UnknownName(name, among=[row.name for _, row in rows], kind="method")
    if as_json:
        say_json(
            [
                {
                    "name": row.name, "kind": kind, "summary": row.summary, "takes": list(row.takes),
                    "settings": {
                        k: {"default": None if v == REQUIRED else _plain(v), "required": v == REQUIRED,
                            "meaning": row.meanings.get(k, "")}
                        for k, v in row.settings.items()
                    },
                    "source": row.source, "code": row.home,
                }
                for kind, row in rows if name in (None, row.name)
            ]
        )  # fmt: skip
        return 0
    if name is None:
        wide = max(len(row.name) for _, row in rows)
        for registry in (searchers, schedulers):
            say(f"{registry.kind}s")
            for _, row in (pair for pair in rows if pair[0] == registry.kind):
                say(folded(f"  {row.name:<{wide}}   ", row.summary))
        say('\nSettings of one: trimtab methods tpe. In study.toml: searcher = "tpe", or [searcher] method = "tpe".')
        return 0
    for kind, row in rows:
        if row.name != name:
            continue
        say(folded(f"{row.name} ({kind}): ", row.summary))
        defaults = {k: "required" if v == REQUIRED else repr(v) for k, v in row.settings.items()}
        wide, much = (max(map(len, part), default=0) for part in (defaults, defaults.values()))
        for setting, default in defaults.items():
            say(folded(f"  {setting:<{wide}}   {default:<{much}}   ", row.meanings.get(setting, "")))
        for word, text in (("takes", ", ".join(row.takes)), ("source", row.source)):
            if text:
                say(folded(f"{word:<9}", text))
        say(f"code     {row.home}")
    return 0


def _plain(value: object) -> object:
    """A default as JSON; an object as it prints."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else repr(value)


LATER = click.argument("words", nargs=-1, metavar="TARGET …")


@click.command()
@LATER
def compare(words: tuple[str, ...]) -> int:
    """Two studies against each other: comes later."""
    first, second = (*words, "a.toml", "b.db")[:2]
    raise FileError(
        "compare is a word for later: two studies say little without repeated runs of each. Today: "
        f"trimtab show {first} and trimtab show {second}, or both tables: trimtab export {first}."
    )


@click.command()
@LATER
@click.option("-o", "--output", hidden=True)
def report(words: tuple[str, ...], output: str | None) -> int:
    """A page to share: comes later."""
    target = words[0] if words else "TARGET"
    raise FileError(
        "report is a word for later: a page with pictures. Today: "
        f"trimtab show {target} as text, trimtab export {target} -o trials.csv as a table."
    )
