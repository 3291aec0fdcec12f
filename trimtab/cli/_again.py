"""`show --toml`: a study as it now is, as the file that says so. Run from it, nothing changes.

The short way of writing a space is taken where it means the same, which is checked by reading it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trimtab.cli._toml import Plan
from trimtab.cli._write import schema_line, to_toml

if TYPE_CHECKING:
    from trimtab.space import Space
    from trimtab.study import Study


def toml_of(study: Study, plan: Plan | None) -> str:
    """plan: of the file it was opened by, which knows what to run; paths stay relative to that file."""
    from trimtab.study._define import RETRY

    definitions = study._log.ledger.definitions
    newest = definitions[-1]
    document: dict[str, Any] = {"name": study.name, **_metrics(newest["metrics"])}
    document |= {"storage": _storage(study, plan), "seed": study.seed}
    if plan is not None and "folder" in plan.study:
        document["folder"] = plan.study["folder"]
    for key in ("searcher", "scheduler"):
        method = newest[key]
        document[key] = {"method": method["name"], **method["settings"]} if method["settings"] else method["name"]
    document |= {"duplicates": newest["duplicates"], "value": newest["value"]}
    if newest["retry"] != RETRY:
        document["retry"] = newest["retry"]
    if note := definitions[0].get("why"):
        document["note"] = note
    if not newest.get("open"):
        document |= space_document(study._log.ledger.space)
    if plan is not None and plan.run:
        document["run"] = {k: v for k, v in plan.run.items() if k != "retry"}
    if newest["stop"]:
        document["stop"] = {rule["rule"]: _limit(rule) for rule in newest["stop"]}
    return schema_line() + to_toml(document)


def _metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for word, goal in (("minimize", "min"), ("maximize", "max")):
        names = [n for n, m in metrics.items() if m.get("goal") == goal]
        if names:
            out[word] = names[0] if len(names) == 1 else names
    for key, role in (("constraints", "constraint"), ("hidden", "test")):
        if wanted := [n for n, m in metrics.items() if m.get("role") == role]:
            out[key] = wanted
    return out


def _storage(study: Study, plan: Plan | None) -> str:
    """As the file says it; else from here. A password is never told: it is asked of the environment."""
    from trimtab.study._display import place

    if plan is not None and "storage" in plan.study and ":***@" not in (given := str(plan.study["storage"])):
        return _secretless(given)
    return _secretless(place(study))


def _secretless(url: str) -> str:
    import re

    return re.sub(r"(://[^/\s:@]*):(?!\$\{)[^/\s@]*@", r"\1:${PGPASSWORD}@", url)


def _limit(rule: Mapping[str, Any]) -> Any:
    value = next(v for k, v in rule.items() if k != "rule")
    return False if value is None else value


# ── the space ────────────────────────────────────────────────────────────────────────────────────────────────────


def space_document(space: Space) -> dict[str, Any]:
    """{"space": …, "rules": …}: the shortest form that reads back as this space."""
    from trimtab.errors import TrimtabError
    from trimtab.space import Space as Made

    told = space.to_json()
    rules = {k: told[k] for k in ("require", "forbid") if told.get(k)}
    domains = {p["name"]: {k: v for k, v in p.items() if k != "name"} for p in told["parameters"]}
    for tried in _forms(domains):
        try:
            if Made(tried, **rules).to_json() == told:
                return {"space": tried} | ({"rules": rules} if rules else {})
        except TrimtabError:
            continue
    return {"space": domains} | ({"rules": rules} if rules else {})


def _forms(domains: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _nested(domains)
    yield {name: _short(domain) for name, domain in domains.items()}


def _nested(domains: Mapping[str, Any]) -> dict[str, Any]:
    """With what belongs to a branch of a choice inside that branch."""
    out: dict[str, Any] = {}
    inside: set[str] = set()
    for name, domain in domains.items():
        if name in inside:
            continue
        labels = domain.get("branches")
        if not labels:
            out[name] = _short(domain)
            continue
        branches: dict[str, Any] = {}
        for label in labels:
            prefix = f"{name}.{label}."
            below = {n: d for n, d in domains.items() if n.startswith(prefix)}
            inside |= set(below)
            branches[label] = _nested(
                {n.removeprefix(prefix): _within(d, name, label, prefix) for n, d in below.items()}
            )
        all_have = list(domain["choices"]) == list(labels)
        kept = {k: v for k, v in domain.items() if k != "branches" and (k != "choices" or not all_have)}
        out[name] = kept | {"branches": branches}
    return out


def _within(domain: Mapping[str, Any], choice: str, label: str, prefix: str) -> dict[str, Any]:
    """A parameter as its branch would say it: without the branch's own condition, with names as they are there."""
    from trimtab.space._grammar import literal, quoted

    condition = f"{quoted(choice)} == {literal(label)}"
    out = {k: v.replace(prefix, "") if isinstance(v, str) and k in ("low", "high") else v for k, v in domain.items()}
    when = out.pop("when", condition)
    rest = when.removeprefix(condition).removeprefix(" and ").replace(prefix, "")
    return out | ({"when": rest} if rest else {})


def _short(domain: Mapping[str, Any]) -> Any:
    """A range, a list or a value, where that says all."""
    kind, rest = domain["type"], {k: v for k, v in domain.items() if k != "type"}
    if kind in ("float", "int") and set(rest) <= {"low", "high", "log", "step", "default", "when"}:
        low, high = rest["low"], rest["high"]
        if not isinstance(low, str) and not isinstance(high, str):
            return f"{low!r}..{high!r}" + "".join(_words(rest))
    if kind == "choice" and set(rest) == {"choices"} and isinstance(rest["choices"], Sequence):
        return list(rest["choices"])
    if kind == "const" and set(rest) == {"value"} and not isinstance(rest["value"], (list, dict, str)):
        return rest["value"]
    return dict(domain)


def _words(rest: Mapping[str, Any]) -> Iterator[str]:
    if log := rest.get("log"):
        yield " log" if log is True else f" log{log}"
    for word in ("step", "default"):
        if word in rest:
            yield f" {word}={rest[word]!r}"
    if "when" in rest:
        yield f" when {rest['when']}"
