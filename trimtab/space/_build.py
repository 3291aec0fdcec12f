"""From what users write to a flat, ordered list of named domains.

A domain is written as an object, as a list (Choice), as a range "1e-5..0.1 log" or "1..8" (Int when both ends are
whole), as a table {"type": "float", …}, or as a plain value (Const). Any other table is a group: its names are dotted.
A Space as the value of a label is a branch: "model.svm.C", there when model == 'svm'; a Repeat is a number of groups.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from trimtab.errors import SpaceError, did_you_mean
from trimtab.space._grammar import literal, quoted
from trimtab.space.domains import Bool, Choice, Const, Derived, Float, Int, plain
from trimtab.space.expression import Expression
from trimtab.space.repeat import Repeat
from trimtab.space.structured import Permutation, Simplex, Subset

if TYPE_CHECKING:
    from trimtab.space.space import Space

TYPES: dict[str, Any] = {
    "float": Float,
    "int": Int,
    "choice": Choice,
    "bool": Bool,
    "const": Const,
    "derived": Derived,
    "subset": Subset,
    "permutation": Permutation,
    "simplex": Simplex,
    "repeat": Repeat,
}
DOMAINS = tuple(TYPES.values())
LONGEST_NAME = 200


@dataclass(slots=True)
class Draft:
    """A space being put together."""

    domains: dict[str, Any]
    scopes: dict[str, tuple[str, ...]]  # prefixes in which a parameter's expressions look for names, innermost first
    require: list[Expression]
    forbid: list[Expression]

    def add(self, name: str, domain: Any, scopes: tuple[str, ...]) -> None:
        if name in self.domains:
            raise SpaceError(
                f'{name}: there are two parameters of this name (a dot stands for a group: "a.b" is b in a).'
            )
        self.domains[name], self.scopes[name] = domain, scopes


def flatten(spec: Mapping[str, Any], require: Iterable[Any], forbid: Iterable[Any]) -> Draft:
    """All parameters by full name in the order of declaration, with their expressions about full names."""
    draft = Draft({}, {}, [], [])
    _group(draft, spec, "", ("",))
    names = _Names(list(draft.domains))
    for name, domain in draft.domains.items():
        draft.domains[name] = _resolved(name, domain, names, draft.scopes[name])
    draft.require[:0] = [_rule("require", r, names) for r in require]
    draft.forbid[:0] = [_rule("forbid", r, names) for r in forbid]
    return draft


def _group(draft: Draft, spec: Mapping[str, Any], prefix: str, scopes: tuple[str, ...]) -> None:
    for key, given in spec.items():
        name = prefix + _checked_name(key)
        domain = domain_of(given, name)
        if isinstance(domain, Mapping):
            _group(draft, domain, f"{name}.", (f"{name}.", *scopes))
        elif not isinstance(domain, DOMAINS):
            _subspace(draft, domain, f"{name}.", None)
        elif isinstance(domain, Repeat):
            _repeated(draft, domain, name, scopes)
        elif isinstance(domain, Choice) and isinstance(domain.choices, dict):
            spaces = {label: s for label, x in domain.choices.items() if (s := _as_space(x)) is not None}
            flat = {label: label if label in spaces else x for label, x in domain.choices.items()}
            draft.add(name, replace(domain, choices=flat, branches=(*domain.branches, *spaces)), scopes)
            for label, space in spaces.items():
                _subspace(draft, space, f"{name}.{label}.", f"{quoted(name)} == {literal(label)}")
        else:
            draft.add(name, domain, scopes)


def _repeated(draft: Draft, repeat: Repeat, name: str, scopes: tuple[str, ...]) -> None:
    """The count, and a copy of the block for each."""
    from trimtab.space.space import Space

    try:
        count, block = repeat.count, Space(repeat.block)
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}") from None
    draft.add(name, count, scopes)
    for i in range(repeat.max):
        _subspace(draft, block, f"{name}.{i}.", None if repeat.always(i) else f"{quoted(name)} > {i}")


def _subspace(draft: Draft, space: Space, prefix: str, condition: str | None) -> None:
    """A finished space inside this one: its names get the prefix, its parameters the condition."""
    rename = {name: prefix + name for name in space.names}
    for name, domain in space.domains.items():
        changes: dict[str, Any] = {k: v.renamed(rename) for k, v in expressions(domain).items()}
        if condition is not None:
            inner = changes.get("when")
            text = condition if inner is None else f"{condition} and ({inner.canonical})"
            changes["when"] = Expression(Expression(text, known=rename.values()).canonical)
        draft.add(rename[name], replace(domain, **changes) if changes else domain, ("",))
    draft.require += [rule.renamed(rename) for rule in space.require]
    draft.forbid += [rule.renamed(rename) for rule in space.forbid]


def _as_space(given: Any) -> Space | None:
    """The sub-space that a label stands for, if it is one; a dict that holds domains was meant as one."""
    from trimtab.space.space import Space

    if isinstance(given, Space):
        return given
    if isinstance(given, Mapping) and any(isinstance(v, (*DOMAINS, Space)) for v in given.values()):
        return Space(given)
    return None


def expressions(domain: Any) -> dict[str, Expression]:
    """The expressions of a domain by field."""
    found = {name: getattr(domain, name, None) for name in ("when", "low", "high", "expression")}
    return {name: e for name, e in found.items() if isinstance(e, Expression)}


class _Names:
    """Full names by what they are called in a scope: the innermost scope that knows a name wins."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.odd = any(re.search(r"[^\w.]", n) for n in names)  # odd names may stand bare once they are known
        self._relative: dict[tuple[str, ...], dict[str, str]] = {}

    def within(self, scopes: tuple[str, ...]) -> dict[str, str]:
        if scopes not in self._relative:
            pairs = ((n.removeprefix(s), n) for s in reversed(scopes) for n in self.names if n.startswith(s))
            self._relative[scopes] = dict(pairs)
        return self._relative[scopes]

    def resolved(self, expression: Expression, scopes: tuple[str, ...], what: str) -> Expression:
        """The expression about full names; SpaceError, begun by `what`, for a name there is not."""
        relative = self.within(scopes)
        if self.odd:
            expression = Expression(expression.text, known=relative)
        expression.check_names(relative, what)
        return expression.renamed({n: relative[n] for n in expression.names})


def _resolved(name: str, domain: Any, names: _Names, scopes: tuple[str, ...]) -> Any:
    changes = {}
    for what, expression in expressions(domain).items():
        new = names.resolved(expression, scopes, f'{name}: {what}="{expression.text}"')
        if new is not expression:
            changes[what] = new
    return replace(domain, **changes) if changes else domain


def _rule(kind: str, given: Any, names: _Names) -> Expression:
    if not isinstance(given, str | Expression):
        raise SpaceError(f'{kind}={given!r}: rules are text, as {kind}=["a + b <= 1"].')
    rule = names.resolved(Expression.of(given), ("",), f'{kind} "{given}"')
    if not rule.names:
        raise SpaceError(f'{kind} "{given}" names no parameter, so it is always the same. Leave it out.')
    if not rule.is_condition and rule.tree[0] != "name":
        raise SpaceError(f'{kind} "{given}" is a number, neither true nor false. Compare it: "{given} <= 1".')
    return rule


def _checked_name(given: Any) -> str:
    if not isinstance(given, str):
        raise SpaceError(f"{given!r} can't name a parameter: names are text. Write {str(given)!r}.")
    name = unicodedata.normalize("NFC", given)  # so that é typed in two ways is one name
    if not name.strip():
        raise SpaceError(f"{given!r} can't name a parameter: a name needs at least one visible character.")
    if len(name) > LONGEST_NAME:
        raise SpaceError(f"{name[:40]!r}…: a name of {len(name)} characters. At most {LONGEST_NAME} are allowed.")
    return name


# ── one entry ─────────────────────────────────────────────────────────────────


def _number_domain(low: float, high: float) -> str:
    return f"{'Int' if isinstance(low, int) and isinstance(high, int) else 'Float'}({low}, {high})"


def domain_of(given: Any, name: str = "") -> Any:
    """A domain, a Space (a group with rules of its own), or a Mapping (a group)."""
    from trimtab.space.space import Space

    given = plain(given)
    if isinstance(given, (*DOMAINS, Space)):
        return given
    try:
        if isinstance(given, Mapping):
            return _table(given) if isinstance(given.get("type"), str) else given
        if isinstance(given, tuple) and len(given) == 2 and all(type(v) in (int, float) for v in given):
            low, high = given
            raise SpaceError(
                f'{given!r} could be a range or a choice. A range: "{low}..{high}" or {_number_domain(low, high)}; '
                f"a choice: [{low}, {high}]."
            )
        if isinstance(given, list | tuple):
            return Choice(given)
        if isinstance(given, str) and (found := _RANGE.match(given)):
            return _range(given, found)
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}" if name else str(error)) from None
    if isinstance(given, str) and _ALMOST.search(given):
        raise SpaceError(f"{name}: {given!r} looks like a range but is none. Write low..high, as '0.1..10 log'.")
    if given is None or isinstance(given, str | bool | int | float):
        return Const(given)
    if isinstance(given, type) and given in DOMAINS:
        raise SpaceError(f"{name}: {given.__name__} without brackets. Write {given.__name__}(…).")
    raise SpaceError(
        f"{name}: {given!r} is no domain. Use Float, Int, Choice, Bool or Const, a list of values, or text like '1..8'."
    )


_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.(?!\.)\s*({_NUMBER})(.*)$", re.DOTALL)  # "1...5" is no 1 to 0.5
_WHEN = re.compile(r"[\s:]+when(?:\s*=(?!=)\s*|\s+)(.+)$", re.DOTALL)  # the last: a condition may hold any word
_DECIMAL = r"[-+]?\d*\.\d+"
_ALMOST = re.compile(rf"{_NUMBER}\s*\.\.|\.\.\s*{_NUMBER}|^\s*{_DECIMAL}\s*(?:-|to)\s*{_DECIMAL}\b")  # 0.1-0.5, 1..many


def _range(text: str, found: re.Match[str]) -> Float | Int:
    """ "1..8", "1e-5..0.1 log", "16..512:log2", "0.0..1.0 step=0.1 default=0.5", "1..9 log when mode == 'safe'"."""
    low, high, rest = found.groups()
    whole = re.fullmatch(r"[-+]?\d+", low) is not None and re.fullmatch(r"[-+]?\d+", high) is not None
    number: Any = int if whole else float
    settings: dict[str, Any] = {}
    if rest and rest[0] not in " \t:":
        raise SpaceError(f'{text!r}: can\'t read {rest!r}. A range is written "1..8" or "1e-5..0.1 log".')
    if condition := _WHEN.search(rest):
        settings["when"], rest = condition[1].strip(), rest[: condition.start()]
    for word in filter(None, re.split(r"[\s:,]+", rest)):
        if word == "log":
            settings["log"] = True
        elif base := re.fullmatch(r"log=?(\d+)", word):
            settings["log"] = int(base[1])
        elif setting := re.fullmatch(rf"(step|default)=({_NUMBER})", word):
            settings[setting[1]] = float(setting[2])
        else:
            raise SpaceError(f"{text!r}: can't read {word!r}. After a range come log, log2, step=…, default=…, when ….")
    return Int(int(low), int(high), **settings) if whole else Float(number(low), number(high), **settings)


def _table(table: Mapping[str, Any]) -> Any:
    """A domain from {"type": "float", "low": …}: the keys are the arguments of the Python class."""
    kind = table["type"]
    if kind not in TYPES:
        raise SpaceError(f"type={kind!r} is no kind of parameter. {did_you_mean(kind, TYPES)}")
    domain = TYPES[kind]
    settings = {key: value for key, value in table.items() if key != "type"}
    if kind == "choice" and isinstance(settings.get("branches"), Mapping):
        from trimtab.space.space import Space

        branches = {label: Space(sub) for label, sub in settings.pop("branches").items()}
        plain_ones = {label: label for label in settings.get("choices", ()) if isinstance(label, str)}
        settings["choices"] = {**plain_ones, **branches}  # only some of the choices may have parameters of their own
    known = [f.name for f in fields(domain) if f.init and f.name != "_"]
    for key in settings:
        if key not in known:
            raise SpaceError(f"a {kind} has no {key!r}. {did_you_mean(key, known)}")
    try:
        return domain(**settings)
    except TypeError:
        needed = ("low", "high", "choices", "value", "expression", "of", "block", "max")
        missing = [n for n in needed if n in known and n not in settings]
        raise SpaceError(f"a {kind} needs {' and '.join(missing)}.") from None
