"""methods, verify, compare, report: what there is to choose from, and what a study proves."""

from __future__ import annotations

import re
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from trimtab.cli import _complete as complete
from trimtab.cli._options import WithProgram, as_json, named
from trimtab.cli._rows import folded
from trimtab.cli._target import opened
from trimtab.cli._toml import FileError
from trimtab.cli._words import say, say_json

if TYPE_CHECKING:
    from trimtab._registry import Row


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
                if more := _in_short(row):
                    say(folded(" " * (wide + 5), more))
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


def _in_short(row: Row) -> str:
    """What a method takes and the first paper it is from, on a line: "all but objectives · Hansen, … 2016"."""
    from trimtab.protocol import TRAITS

    missing = ", ".join(sorted(TRAITS - set(row.takes)))
    takes = f"takes all but {missing}" if missing else "takes everything"
    paper = re.match(r"Own work|[^;]*?\b(?:19|20)\d\d\b(?!\.\d)|[^;]*", row.source)  # not the 2006 of arXiv 2006.12703
    return " · ".join(filter(None, (takes if row.takes else "", paper[0].strip() if paper else "")))


def _plain(value: object) -> object:
    """A default as JSON; an object as it prints."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else repr(value)


@click.command(cls=WithProgram)
@click.argument("words", nargs=-1, metavar="A B, or A … -- B …", shell_complete=complete.targets)
@click.option(
    "-s", "--study", "names", metavar="NAME", multiple=True, help="Two studies of one storage: -s first -s second.",
    shell_complete=complete.studies,
)  # fmt: skip
@as_json
@click.pass_context
def compare(ctx: click.Context, words: tuple[str, ...], names: tuple[str, ...], as_json: bool) -> int:
    """What two studies found, after equally many trials.

    \b
    trimtab compare solver.toml other.db
    trimtab compare many.db -s tpe -s random
    trimtab compare a1.db a2.db -- b1.db b2.db     several runs of each
    """
    from contextlib import ExitStack

    from trimtab.study._compare import compare as compared

    other = ctx.meta["program"]
    sides: list[list[tuple[str | None, str | None]]]
    if not other and len(words) <= 1 and len(names) == 2:
        sides = [[(words[0] if words else None, name)] for name in names]
    elif (other and words and not names) or (len(words) == 2 and not names):
        sides = [[(w, None) for w in side] for side in ((words, other) if other else (words[:1], words[1:]))]
    else:
        raise FileError("Which two? trimtab compare a.toml b.db, or two of one storage: trimtab compare a.db -s x -s y")
    with ExitStack() as stack:
        a, b = ([stack.enter_context(closing(opened(t, n).study)) for t, n in side] for side in sides)
        told = compared(a, b)
    if as_json:
        rows = [{k: getattr(row, k) for k in row.__slots__} for row in told.rows]
        say_json({k: getattr(told, k) for k in ("objective", "goal", "budget", "better", "text")} | {"rows": rows})
    else:
        say(str(told))
    return 0


@click.command()
@click.argument("words", nargs=-1, metavar="TARGET …")
@click.option("-o", "--output", hidden=True)
def report(words: tuple[str, ...], output: str | None) -> int:
    """A page to share: comes later."""
    target = words[0] if words else "TARGET"
    raise FileError(
        "report is a word for later: a page with pictures. Today: "
        f"trimtab show {target} as text, trimtab export {target} -o trials.csv as a table."
    )
