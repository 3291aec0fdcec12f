"""Other forms of a space: JSON, text, HTML, dataclasses; and the difference of two spaces."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from trimtab.errors import SpaceError
from trimtab.space import repeat
from trimtab.space._build import DOMAINS, TYPES, domain_of, expressions
from trimtab.space.domains import Bool, Choice, Const, Float, Int, token
from trimtab.space.expression import Expression
from trimtab.space.repeat import Repeat

if TYPE_CHECKING:
    from trimtab.space.space import Space

VERSION = 1
_SKIP = ("_", "tokens", "weights", "token")


def to_json(space: Space) -> dict[str, Any]:
    """See Space.to_json. A list of parameters, because not every JSON library keeps the order of an object."""
    out: dict[str, Any] = {
        "version": VERSION,
        "parameters": [{"name": n, **_domain(d)} for n, d in space.domains.items()],
    }
    for kind in ("require", "forbid"):
        if rules := getattr(space, kind):
            out[kind] = [rule.text if rule == Expression(rule.text) else rule.canonical for rule in rules]
    return out


def _domain(domain: Any) -> dict[str, Any]:
    kind = next(name for name, cls in TYPES.items() if cls is type(domain))
    out: dict[str, Any] = {"type": kind}
    for field in dataclasses.fields(domain):
        value = getattr(domain, field.name)
        if field.name in _SKIP or not field.init or (value == field.default and type(value) is type(field.default)):
            continue
        if isinstance(domain, Choice) and field.name in ("choices", "prior"):
            value = domain.labels if field.name == "choices" else domain.weights  # by place: JSON has text keys only
        out[field.name] = _json(value)
    return out


def _json(value: Any) -> Any:
    if isinstance(value, Expression):
        return value.canonical
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    return [_json(v) for v in value] if isinstance(value, list | tuple) else value


def from_json(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Arguments of Space."""
    version = data.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise SpaceError(f"a space in format {version}; this trimtab reads format {VERSION}. Install a newer trimtab.")
    spec = {p["name"]: {k: v for k, v in p.items() if k != "name"} for p in data["parameters"]}
    return spec, list(data.get("require", ())), list(data.get("forbid", ()))


def replaced(space: Space, changes: Mapping[str, Any]) -> Space:
    """See Space.replace. New branches take the place of old ones; a plain list of labels keeps those there are."""
    from trimtab.space.space import Space

    spec = dict(space.domains)
    for name, new in changes.items():
        new, old = domain_of(new, name), spec.get(name)
        if isinstance(new, Repeat):
            copies = range(repeat.most(name, old, space.names))
            spec = {n: d for n, d in spec.items() if not _below(n, name, copies)}
        if isinstance(new, Choice) and isinstance(old, Choice) and old.branches:
            if isinstance(new.choices, dict):
                spec = {n: d for n, d in spec.items() if not _below(n, name, old.branches)}
            else:
                gone = [label for label in old.branches if label not in new.labels]
                spec = {n: d for n, d in spec.items() if not _below(n, name, gone)}
                new = dataclasses.replace(new, branches=tuple(b for b in old.branches if b in new.labels))
        spec[name] = new
    return Space(spec, space.require, space.forbid)


def _below(name: str, choice: str, labels: Iterable[Any]) -> bool:
    """Whether a parameter belongs to one of these branches of a choice, or blocks of a Repeat."""
    return any(name.startswith(f"{choice}.{label}.") for label in labels)


def drop(space: Space, names: Iterable[str]) -> Space:
    """See Space.drop: children of a dropped branch go with it."""
    from trimtab.space.space import Space

    gone = set()
    for name in names:
        space._known(name)
        domain = space.domains[name]
        labels = getattr(domain, "branches", range(repeat.most(name, domain, space.names)))
        gone |= {name} | {n for n in space.names if _below(n, name, labels)}
    left = {n: d for n, d in space.domains.items() if n not in gone}
    users = [(n, e) for n, d in left.items() for e in expressions(d).values()]
    users += [(f'the rule "{r.text}"', r) for r in (*space.require, *space.forbid)]
    for user, expression in users:
        if used := gone & set(expression.names):
            raise SpaceError(f"{sorted(used)[0]} can't be dropped: {user} depends on it. Drop or change that as well.")
    return Space(left, space.require, space.forbid)


# ── what changed ──────────────────────────────────────────────────────────────


def diff(old: Space, new: Space) -> list[str]:
    """See Space.diff."""
    lines = []
    for name in dict.fromkeys([*old.names, *new.names]):
        before, after = old.domains.get(name), new.domains.get(name)
        if before is None:
            default = getattr(after, "default", None)
            known = f"old trials count as {default!r}" if default is not None else "unknown in old trials"
            lines.append(f"{name}: new, {show(after)}" + ("" if isinstance(after, Const) else f" ({known})"))
        elif after is None:
            lines.append(f"{name}: retired (was {show(before)})")
        elif before != after:
            _legal(name, before, after)
            lines.append(f"{name}: {show(before)} → {show(after)}")
    for kind in ("require", "forbid"):
        was, now = getattr(old, kind), getattr(new, kind)
        lines += [f'{kind} "{rule.text}": lifted' for rule in was if rule not in now]
        lines += [f'{kind} "{rule.text}": new' for rule in now if rule not in was]
    if not lines and list(old.names) != list(new.names):
        lines.append(f"order: {', '.join(new.names)}")
    return lines


def _legal(name: str, before: Any, after: Any) -> None:
    mend = f'Keep it, or use another name, as "{name}_2".'
    if type(before) is not type(after) and not isinstance(before, Const) and not isinstance(after, Const):
        was, now = type(before).__name__, type(after).__name__
        raise SpaceError(f"{name} was {_a(was)} and is now {_a(now)}: the kind of a parameter can't change. {mend}")
    if isinstance(before, Float | Int) and isinstance(after, Float | Int) and after.log and not before.log:
        if not isinstance(before.low, int | float) or before.low <= 0:
            raise SpaceError(
                f"{name} had values at or below 0 ({show(before)}), which have no place on a log scale. {mend}"
            )
    elif type(before) is type(after) and hasattr(before, "of") and set(before.of) != set(after.of):
        raise SpaceError(f"{name}: the elements of a {type(before).__name__} can't change. {mend}")


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'AEIOU' else 'a'} {word}"


# ── for people ────────────────────────────────────────────────────────────────


def show(domain: Any) -> str:
    """The domain as it would be typed."""
    first = [
        f.name
        for f in dataclasses.fields(domain)
        if f.name == "_" or f.name in ("low", "high", "choices", "value", "of", "expression")
    ]
    parts = []
    for field in dataclasses.fields(domain):
        if field.name in _SKIP or not field.init or field.name == "branches":
            continue
        value = getattr(domain, field.name)
        if field.name not in first and value == field.default:
            continue
        if isinstance(value, Expression):
            shown = repr(value.text)
        else:
            shown = repr(list(value)) if field.name in ("choices", "of") else repr(value)
        parts.append(shown if field.name in first else f"{field.name}={shown}")
    return f"{type(domain).__name__}({', '.join(parts)})"


def text(space: Space) -> str:
    lines = [f"    {name!r}: {show(domain)}," for name, domain in space.domains.items()]
    rules = "".join(
        f", {k}={[r.text for r in getattr(space, k)]!r}" for k in ("require", "forbid") if getattr(space, k)
    )
    return "Space({\n" + "\n".join(lines) + "\n}" + rules + ")" if lines else f"Space({{}}{rules})"


def html(space: Space) -> str:
    from html import escape  # only notebooks need it

    cells = [(name, show(domain)) for name, domain in space.domains.items()]
    cells += [(kind, rule.text) for kind in ("require", "forbid") for rule in getattr(space, kind)]
    rows = "".join(f"<tr><th>{escape(a)}</th><td><code>{escape(b)}</code></td></tr>" for a, b in cells)
    return f"<table><thead><tr><th>parameter</th><th>domain</th></tr></thead><tbody>{rows}</tbody></table>"


# ── dataclasses and pydantic models ───────────────────────────────────────────


def spec_of(source: Any) -> dict[str, Any]:
    """See Space.of."""
    if isinstance(source, Mapping):
        return dict(source)
    if dataclasses.is_dataclass(source):
        fields = {f.name: _field_default(f) for f in dataclasses.fields(source)}
    elif hasattr(source, "model_fields"):
        fields = {name: _pydantic_default(f) for name, f in _class(source).model_fields.items()}
    else:
        raise SpaceError(f"Space.of({source!r}): give a dataclass, a pydantic model, or a dict.")
    hints = _hints(_class(source))
    given = {n: d if isinstance(source, type) else getattr(source, n) for n, d in fields.items()}
    return {name: _field(name, hints.get(name), value) for name, value in given.items()}


def _hints(source: Any) -> dict[str, Any]:
    try:
        return get_type_hints(source, include_extras=True)
    except NameError:  # classes made inside a function: what can be told without their names must do
        return {f: t for f, t in source.__annotations__.items() if not isinstance(t, str)}


def _class(source: Any) -> Any:
    return source if isinstance(source, type) else type(source)


def _field_default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else dataclasses.MISSING


def _pydantic_default(field: Any) -> Any:
    default = field.get_default(call_default_factory=True)
    return dataclasses.MISSING if repr(default) == "PydanticUndefined" else default


def _field(name: str, hint: Any, value: Any) -> Any:
    from trimtab.space.space import Space

    if isinstance(value, (*DOMAINS, Space)):
        return value
    default = None if value is dataclasses.MISSING else value
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        for note in notes:
            if isinstance(note, DOMAINS):
                return note if default is None else dataclasses.replace(note, default=default)
        hint = base
    if get_origin(hint) is Literal:
        return Choice(list(get_args(hint)), default=default)
    if hint is bool and value is dataclasses.MISSING:
        return Bool()
    inner = value if value is not dataclasses.MISSING and not isinstance(value, type) else hint
    if dataclasses.is_dataclass(inner) or hasattr(inner, "model_fields"):
        return spec_of(inner)
    if value is dataclasses.MISSING:
        kind = getattr(hint, "__name__", str(hint))
        raise SpaceError(f"{name}: {kind} has neither a domain nor a value. Write {name}: {kind} = Float(…).")
    try:
        token(value)
    except (TypeError, ValueError):
        raise SpaceError(f"{name}: {value!r} can't be stored as JSON, so it can't be part of a space.") from None
    return Const(value)
