"""The families of tasks by name. A new one is a file and a line here, or an entry point in another package."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

from trimtab._registry import _foreign
from trimtab.bench.task import Task
from trimtab.errors import UnknownName

FAMILIES: Mapping[str, str] = {
    "fixtures": "trimtab.bench.tasks.fixtures:FAMILY",
    "analytic": "trimtab.bench.tasks.analytic:FAMILY",
    "bbob": "trimtab.bench.tasks.bbob:FAMILY",
    "bbob-mixint": "trimtab.bench.tasks.bbob:MIXINT",
    "yahpo": "trimtab.bench.tasks.yahpo:FAMILY",
    "sklearn": "trimtab.bench.tasks.sklearn:FAMILY",
    "objectives": "trimtab.bench.tasks.objectives:FAMILY",
    "steplaw": "trimtab.bench.tasks.steplaw:FAMILY",
    "curves": "trimtab.bench.tasks.curves:FAMILY",
    "hpob": "trimtab.bench.readers.hpob:FAMILY",
    "fcnet": "trimtab.bench.readers.fcnet:FAMILY",
    "nasbench201": "trimtab.bench.readers.nasbench:FAMILY",
    "nats": "trimtab.bench.readers.nasbench:NATS",
    "table": "trimtab.bench.readers.table:FAMILY",
}
GROUP = "trimtab.benchmarks"
DATA = "TRIMTAB_BENCH_DATA"


@dataclass(frozen=True, slots=True)
class Family:
    """A family of tasks.

    name     what stands before the slash
    summary  a line for `trimtab bench tasks`
    names    (data) -> the instances there are; data is the folder that the user keeps benchmark data in, or None
    make     (instance, data) -> the Task; an unknown instance is an UnknownName
    licence  in words
    data     the folder it reads below `data` ("yahpo"), "" when it needs none
    extra    the extra of trimtab that it needs, "" for none
    """

    name: str
    summary: str
    names: Callable[[Path | None], Sequence[str]]
    make: Callable[[str, Path | None], Task]
    licence: str = ""
    data: str = ""
    extra: str = ""


def catalogue(name: str, summary: str, makers: Mapping[str, Callable[[], Task]], **words: str) -> Family:
    """A family that needs no data: its instances are the names of `makers`, in their order."""

    def make(instance: str, data: Path | None) -> Task:
        if instance not in makers:
            raise UnknownName(instance, among=makers, kind=f"task of {name}")
        return makers[instance]()

    return Family(name, summary, lambda data: tuple(makers), make, **words)


def family(name: str) -> Family:
    """The family called `name`, loaded now."""
    if name in FAMILIES:
        module, _, attribute = FAMILIES[name].partition(":")
        found: Family = getattr(import_module(module), attribute)
        return found
    foreign = _foreign(GROUP)
    if name not in foreign:
        raise UnknownName(name, among=families(), kind="family of tasks")
    loaded: Family = foreign[name].load()
    return loaded


def families() -> list[str]:
    """Built-in names in their order, then other packages'."""
    return [*FAMILIES, *(name for name in sorted(_foreign(GROUP)) if name not in FAMILIES)]


def data_folder(given: str | Path | None = None) -> Path | None:
    """Where the user keeps benchmark data: as given, or as $TRIMTAB_BENCH_DATA says."""
    found = given or os.environ.get(DATA)
    return Path(found).expanduser() if found else None


def task(name: str, data: str | Path | None = None) -> Task:
    """The task called "family/instance", with its wrappers: "fixtures/hartmann6~noise=0.1~constrained".

    >>> task("fixtures/hartmann6").goals[0].sense
    'minimize'
    """
    plain, *wrappers = name.split("~")
    first, slash, instance = plain.partition("/")
    if not slash:
        raise UnknownName(name, among=families(), kind='task ("family/instance")')
    made = family(first).make(instance, data_folder(data))
    if wrappers:
        from trimtab.bench.tasks.wrappers import wrapped

        for wrapper in wrappers:
            made = wrapped(made, wrapper)
    return made


def tasks(pattern: str = "*", data: str | Path | None = None) -> list[str]:
    """The names that match a pattern such as "bbob/*-d5-*"."""
    folder = data_folder(data)
    wanted = pattern.partition("/")[0]
    found = [f"{name}/{i}" for name in families() if fnmatch(name, wanted) for i in family(name).names(folder)]
    return [name for name in found if fnmatch(name, pattern)] if "/" in pattern else found
