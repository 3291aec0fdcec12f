"""Methods by name: built-in ones from a table, other people's from entry points; loaded only when asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from dataclasses import field as setting
from functools import cache
from importlib import import_module
from numbers import Number
from typing import TYPE_CHECKING, Any, Protocol

from trimtab.errors import UnknownName, did_you_mean
from trimtab.log import JSON

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

REQUIRED = "required"  # stands for the default of a setting that has none
LARGEST = sys.float_info.max


class Named(Protocol):
    """What every method says of itself, whatever its kind."""

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `trimtab methods`."""

    name: str
    summary: str
    settings: Mapping[str, Any]  # name -> default
    meanings: Mapping[str, str]  # name -> what it is for, as the class's docstring says
    takes: tuple[str, ...]
    source: str
    home: str  # module:Class


@dataclass(frozen=True)
class Registry:
    """The methods of one kind.

    kind   "searcher", "scheduler": for messages
    known  name -> "module:Class" of those that come with trimtab; nobody can replace them
    group  the entry-point group in which other packages name theirs
    verb   the method every member has; tells a member from something else
    own    name -> class of objects that this process was handed: a method of a script or of a notebook cell
    """

    kind: str
    known: Mapping[str, str]
    group: str
    verb: str
    own: dict[str, type[Any]] = setting(default_factory=dict, compare=False, repr=False)

    def names(self) -> list[str]:
        """Built-in names in their order, then other packages' names."""
        return [*self.known, *(name for name in sorted(_foreign(self.group)) if name not in self.known)]

    def load(self, name: str) -> type[Any]:
        """The class called `name`."""
        if name in self.known:
            module, _, attribute = self.known[name].partition(":")
            cls: type[Any] = getattr(import_module(module), attribute)
            return cls
        foreign = _foreign(self.group)
        if name not in foreign and name not in self.own:
            raise UnknownName(name, among=self.names(), kind=self.kind)
        found: type[Any] = foreign[name].load() if name in foreign else self.own[name]
        return found

    def make(self, method: Any, **settings: Any) -> Any:
        """A method from its name and settings, from a table {"method": name, …}, or itself when already made."""
        if isinstance(method, str):
            cls = self.load(method)
            _check_settings(cls, settings)
            return cls(**{k: self._child(v) for k, v in settings.items()})
        if isinstance(method, Mapping):
            table = {**method, **settings}
            name = table.pop("method", None)
            if not isinstance(name, str):
                raise TypeError(f'A {self.kind} table needs its name, e.g. {{"method": "{next(iter(self.known))}"}}.')
            return self.make(name, **table)
        if isinstance(method, type) or not hasattr(method, self.verb):
            mend = f"Write {method.__name__}(…)." if isinstance(method, type) else f"Known: {', '.join(self.names())}."
            raise TypeError(f"{method!r} is not a {self.kind} (a name, or an object with {self.verb}()). {mend}")
        if settings:
            raise TypeError(
                f"{self.kind}={method!r} is already made, so {', '.join(settings)} can't be set here; "
                f"set it where the {self.kind} is made."
            )
        if hasattr(type(method), "name") or not hasattr(method, "name"):  # else one that stands around another
            self.register(type(method))
        return method

    def register(self, cls: type[Any]) -> None:
        """A study keeps a method by its name, so this process has to find its class again under that name."""
        name = getattr(cls, "name", None)
        if not isinstance(name, str) or not name:
            raise TypeError(f'{cls.__name__} needs a name, as a class attribute: name: ClassVar[str] = "…".')
        if name not in self.known:
            self.own[name] = cls
        elif self.load(name) is not cls:
            raise TypeError(
                f"{cls.__name__} is called {name!r}, as the {self.kind} that comes with trimtab. Give it another name."
            )

    def to_json(self, method: Named) -> dict[str, JSON]:
        """What `defined` stores: name, revision and the settings that differ from their defaults."""
        return {"name": method.name, "revision": method.revision, "settings": self._settings(method)}

    def from_json(self, data: Mapping[str, JSON]) -> Any:
        """The method that to_json described, as this version makes it."""
        try:
            return self.make(data["name"], **data.get("settings", {}))
        except UnknownName as error:
            if error.name == data["name"]:
                error.args = (
                    f"This study's {self.kind} is called {error.name!r}, and no such class is known here. Import the "
                    f"module that has it, with @tt.register above the class, or give another one: {self.kind}=….",
                )
            raise

    def describe(self) -> list[Row]:
        """A row for each method, in the order of names()."""
        return [_row(name, self.load(name)) for name in self.names()]

    def _settings(self, method: Any) -> dict[str, JSON]:
        out: dict[str, JSON] = {}
        for field in _settings_of(type(method)):
            value = getattr(method, field.name)
            if value != _default(field):
                out[field.name] = self._plain(value)
                _check_number(type(method), field.name, out[field.name])
        return out

    def _plain(self, value: Any) -> JSON:
        if hasattr(value, self.verb):  # a child method
            return {"method": value.name, **self._settings(value)}
        if isinstance(value, Mapping):
            return {k: self._plain(v) for k, v in value.items()}
        if isinstance(value, (tuple, list)):
            return [self._plain(v) for v in value]
        return value.item() if isinstance(value, Number) and hasattr(value, "item") else value  # numpy's numbers

    def _child(self, value: Any) -> Any:
        """Settings as a file holds them -> as a frozen record does: lists to tuples, tables of methods to methods."""
        if isinstance(value, Mapping) and "method" in value:
            return self.make(value)
        if isinstance(value, (tuple, list)):
            return tuple(self._child(v) for v in value)
        return value


@cache
def _foreign(group: str) -> Mapping[str, EntryPoint]:
    """Looked up once a process: reading the metadata of every installed package takes milliseconds."""
    from importlib.metadata import entry_points  # imports half the email package: only when names are looked up

    return {point.name: point for point in entry_points(group=group)}


def _settings_of(cls: type[Any]) -> Iterable[Field[Any]]:
    return [f for f in fields(cls) if f.init] if is_dataclass(cls) else []


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else REQUIRED


def _check_settings(cls: type[Any], settings: Mapping[str, Any]) -> None:
    """Raise TypeError for a setting that the method doesn't have or that is missing."""
    if not is_dataclass(cls):
        return  # somebody else's class: its own __init__ will tell
    known = {f.name: f for f in _settings_of(cls)}
    for name in settings:
        if name not in known:
            hint = did_you_mean(name, known) if known else "It has none."
            raise TypeError(f"{cls.__name__} has no setting {name!r}. {hint}")
        usual = _default(known[name])
        number = isinstance(usual, (int, float)) or known[name].type in ("int", "float", "int | None", "float | None")
        if number and isinstance(settings[name], str):
            example = 9 if usual is None or usual is REQUIRED else usual
            raise TypeError(
                f"{cls.__name__}: {name}={settings[name]!r} is text. Write a number, as {name}={example!r}."
            )
    for name, field in known.items():
        if name not in settings and _default(field) is REQUIRED:
            raise TypeError(f"{cls.__name__} needs the setting {name!r}.")


def _check_number(cls: type[Any], name: str, value: Any) -> None:
    """Refuse numbers that no file can hold: a study with them could not be opened again."""
    if isinstance(value, Number) and (not isinstance(value, (int, float)) or not -LARGEST <= value <= LARGEST):
        raise TypeError(f"{cls.__name__}: {name}={value!r}: a finite number was expected.")


def _row(name: str, cls: type[Any]) -> Row:
    words = (cls.__doc__ or "").strip().splitlines()
    return Row(
        name=name,
        summary=words[0].strip() if words else "",
        settings={f.name: _default(f) for f in _settings_of(cls)},
        meanings=_meanings(cls.__doc__, [f.name for f in _settings_of(cls)]),
        takes=tuple(sorted(getattr(cls, "takes", ()))),
        source=_source(cls.__doc__) or _source(sys.modules[cls.__module__].__doc__),
        home=f"{cls.__module__}:{cls.__qualname__}",
    )


def _meanings(doc: str | None, names: Iterable[str]) -> dict[str, str]:
    """From the lines "name   what it is for" of a docstring; names may share a line, and a text may go on below it."""
    known, found = set(names), dict[str, str]()
    open_: list[str] = []  # the names whose text may still go on
    for line in (doc or "").splitlines()[1:]:
        head, gap, text = line.strip().partition("  ")
        words = [word.strip() for word in head.split(",")]
        if gap and known.issuperset(words):
            open_ = words
            found |= dict.fromkeys(words, text.strip())
        elif open_ and line.strip() and line.startswith(" " * 8):
            found |= {word: f"{found[word]} {line.strip()}" for word in open_}
        else:
            open_ = []
    return found


def _source(doc: str | None) -> str:
    """The "Source …" paragraph of a docstring, on one line."""
    lines = iter((doc or "").splitlines())
    for line in lines:
        head, _, rest = line.strip().partition(" ")
        if head == "Source":
            found = [rest.strip()]
            indent = len(line) - len(line.lstrip())
            for more in lines:
                if not more.strip() or len(more) - len(more.lstrip()) <= indent:
                    break
                found.append(more.strip())
            return " ".join(found)
    return ""
