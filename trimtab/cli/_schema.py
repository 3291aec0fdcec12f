"""The JSON Schema of study.toml, made from the code: keys and types from the signatures, words from the docstrings.

Printed by `trimtab run --schema`. The file beside this one is what it says with the methods that come with trimtab; a
test keeps the two equal. Editors read it from the first line of a study file (#:schema …). Draft 7, which all know.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from trimtab._registry import Registry, _meanings
from trimtab.cli import _toml

Schema = dict[str, Any]

DURATION: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d*)?\s*(s|sec|m|min|h|d)?\s*$"},
    ]
}
NAMES: Schema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
CONDITION: Schema = {"anyOf": [{"type": "string"}, {"type": "object"}]}
REFINED: dict[str, Schema] = {  # where a signature says less than what is meant
    "name": {"type": "string", "minLength": 1},
    "minimize": NAMES,
    "maximize": NAMES,
    "constraints": {"anyOf": [{"type": "string"}, TEXTS]},
    "hidden": {"anyOf": [{"type": "string"}, TEXTS]},
    "storage": {"type": "string", "minLength": 1},
    "searcher": {"$ref": "#/definitions/searcher"},
    "scheduler": {"$ref": "#/definitions/scheduler"},
    "max_budget": {"type": "number", "exclusiveMinimum": 0},
    "seed": {"type": "integer", "minimum": 0},
    "duplicates": {"enum": ["avoid", "allow", "reuse"]},
    "value": {"enum": ["last", "best"]},
    "if_exists": {"enum": ["resume", "error", "new"]},
    "retry": {
        "type": "object",
        "properties": {"times": {"type": "integer", "minimum": 0}, "on": TEXTS},
        "additionalProperties": False,
    },
    "trials": {"type": "integer", "minimum": 1},
    "workers": {"type": "integer", "minimum": 1},
    "recycle": {"type": "integer", "minimum": 1},
    "repeats": {"type": "integer", "minimum": 1},
    "timeout": {"anyOf": [*DURATION["anyOf"], {"const": "slurm"}]},
    "trial_timeout": DURATION,
    "grace": DURATION,
    "per_trial": {
        "type": "object",
        "properties": {
            "gpu": {"type": "number", "exclusiveMinimum": 0},
            "cpu": {"type": "number", "exclusiveMinimum": 0},
            "memory": {"anyOf": [{"type": "number"}, {"type": "string"}]},
        },
        "additionalProperties": False,
    },
    "function": {"type": "string", "pattern": "^.+:[^:]+$"},
    "command": {"type": "array", "items": NAMES, "minItems": 1},
    "metrics": {
        "type": "object",
        "additionalProperties": {"type": "string", "pattern": "^(regex|json|file):."},
    },
    "env": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "cwd": {"type": "string"},
    "enqueue": {"type": "array", "items": {"type": "object"}},
}
WORDS = {  # where no docstring says it by name, or says it to those who write Python
    "constraints": 'what a feasible trial keeps, over metrics: "memory <= 8"',
    "storage": '"r50.db" beside this file, or "postgresql://me:${PGPASSWORD}@host/db"; absent: $TRIMTAB_STORAGE',
    "searcher": 'what to try next: a name of `trimtab methods`, or a table [searcher] with method = "…"',
    "scheduler": 'how far trials run: a name of `trimtab methods`, or a table [scheduler] with method = "…"',
    "seed": "absent: drawn once and stored",
    "retry": 'what is tried again by itself: { times = 2, on = ["crash", "lost", "OutOfMemory"] }',
    "folder": "for outputs and checkpoints of trials; absent: beside the SQLite file",
    "durability": '"normal": kill -9 loses nothing; "full": nor does a power cut',
    "note": "why this study, or why this change: kept in the log",
    "max_budget": "the steps of a full run, for a scheduler given by name",
    "trials": "the study's total",
    "workers": "trials at a time; absent: as many as per_trial allows",
    "per_trial": 'what one trial needs: { gpu = 1, cpu = 4, memory = "16GB" }',
    "timeout": 'of this run: seconds, "4h", or "slurm", the end of the job',
    "trial_timeout": 'of each trial: seconds, or "2h"',
    "grace": "how long running trials may take to end after Ctrl-C or SIGTERM",
    "recycle": "trials that a worker process runs before it is replaced",
    "metrics": 'where values are found: "regex:gap = (\\S+)", "json:gap", "file:out.json#gap"',
    "function": '"train.py:objective", a file beside this one, or "package.module:objective"',
    "env": "variables for the program; ${NAME} is taken from the environment",
    "enqueue": "configurations that are tried first; what is left out is filled in",
    "require": "conditions that every configuration keeps",
    "forbid": "conditions that no configuration may meet",
}
FIELDS = {  # of domains
    "low": "lowest value, included; or an expression",
    "high": "highest value, included; or an expression",
    "log": "spaced by ratio; log = 2: powers of two",
    "step": "low, low + step, …",
    "default": "the value of the baseline, trial 0",
    "prior": "where good values are expected: { normal = [mean, sd] } or { beta = [a, b] }; for choices, weights",
    "when": "when the parameter exists: \"optimizer == 'sgd'\"",
    "choices": "the values to choose from",
    "ordered": "whether neighbours are alike",
    "branches": "parameters of its own for each choice",
    "value": "the value",
    "expression": "what it is computed from",
    "of": "the elements",
    "min": "at least so many",
    "max": "at most so many",
    "block": "the parameters that are there several times",
}  # fmt: skip


def study_schema(*, foreign: bool = True) -> Schema:
    """The whole. foreign: with the methods of other packages that are installed here."""
    from trimtab.run.command import Command
    from trimtab.schedule._registry import REGISTRY as schedulers
    from trimtab.search._registry import REGISTRY as searchers
    from trimtab.study import Study

    top = _keys(Study.__init__, _toml.study_keys(), Study.__doc__)
    space = {"$ref": "#/definitions/group", "description": "what may vary: name = range, list or table"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "study.toml of trimtab",
        "description": "Every key is the Python argument of the same name.",
        "type": "object",
        "properties": {**top, "space": space, "rules": _rules(), "run": _run(Study, Command), "stop": _stop()},
        "additionalProperties": False,
        "definitions": {
            **_domains(),
            "searcher": _methods(searchers, foreign),
            "scheduler": _methods(schedulers, foreign),
        },
    }


def as_text(schema: Schema) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _keys(function: Any, names: Iterable[str], doc: str | None) -> dict[str, Schema]:
    found, wanted = inspect.signature(function).parameters, list(names)
    words = _meanings(doc, wanted)
    return {n: _described(n, _key(n, found.get(n)), words.get(n)) for n in wanted}


def _key(name: str, parameter: inspect.Parameter | None) -> Schema:
    if name in REFINED:
        return REFINED[name]
    assert parameter is not None, f"{name} is in no signature and not in REFINED"
    return _annotated(str(parameter.annotation)) | _default(parameter.default)


def _described(name: str, schema: Schema, words: str | None) -> Schema:
    return {**schema, "description": WORDS.get(name) or words or ""}


def _default(value: Any) -> Schema:
    """Of a setting. An empty text stands for nothing."""
    if value == "" or value is MISSING or value is inspect.Parameter.empty or value is None:
        return {}
    value = list(value) if isinstance(value, tuple) else value
    return {"default": value} if isinstance(value, (bool, int, float, str)) else {}


PLAIN = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "Path": "string"}


def _annotated(annotation: str) -> Schema:
    """A schema of an annotation as it stands in the source: "float | str | None", "Literal['a', 'b']"."""
    found: list[Schema] = []
    for part in _alternatives(annotation):
        head = part.partition("[")[0]
        if head == "Literal":
            import ast

            told = ast.literal_eval(part[len("Literal") :])
            found.append({"enum": list(told)})
        elif part in PLAIN:
            found.append({"type": PLAIN[part]})
        elif head in ("Sequence", "list", "tuple"):
            found.append({"type": "array"})
        elif head in ("Mapping", "dict"):
            found.append({"type": "object"})
        elif part in ("Searcher", "Scheduler"):
            found.append({"$ref": f"#/definitions/{part.lower()}"})
        elif part == "Condition":
            found.append(CONDITION)
        elif part == "Any":
            return {}
    unique = [s for i, s in enumerate(found) if s not in found[:i]]
    return unique[0] if len(unique) == 1 else {"anyOf": unique} if unique else {}


def _alternatives(annotation: str) -> list[str]:
    """The parts between the outer |, without None."""
    parts, depth, text = [], 0, ""
    for sign in annotation.strip("'\""):
        depth += (sign == "[") - (sign == "]")
        if sign == "|" and not depth:
            parts.append(text.strip())
            text = ""
        else:
            text += sign
    return [p for p in [*parts, text.strip()] if p != "None"]


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _rules() -> Schema:
    one: Schema = {"anyOf": [{"type": "string"}, TEXTS]}
    return {
        "type": "object",
        "description": "of the whole configuration",
        "properties": {n: _described(n, one, None) for n in _toml.RULES},
        "additionalProperties": False,
    }


def _run(study: Any, command: Any) -> Schema:
    names = set(_toml.command_keys())
    of_command = _keys(command, [n for n in _toml.run_keys() if n in names], command.__doc__)
    others = _keys(study.optimize, [n for n in _toml.run_keys() if n not in names], study.optimize.__doc__)
    others["retry"] = {**others["retry"], "description": _keys(study, ["retry"], study.__doc__)["retry"]["description"]}
    return {
        "type": "object",
        "description": "what is run, and how: study.optimize(…)",
        "properties": {**others, **of_command},
        "dependencies": {n: ["command"] for n in sorted(names - {"command", *_toml.ANY})},
        "not": {"required": ["function", "command"]},
        "additionalProperties": False,
    }


def _stop() -> Schema:
    from trimtab.study._stop import RULES

    properties: dict[str, Schema] = {}
    for name, rule in RULES.items():
        (only,) = fields(rule)
        told = DURATION if only.name == "seconds" else _annotated(str(only.type))
        if "None" in str(only.type):
            told = {"anyOf": [told, {"const": False}]}
        properties[name] = {**told, "description": (rule.__doc__ or "").strip().splitlines()[0]}
    return {
        "type": "object",
        "description": "any one ends the study",
        "properties": properties,
        "additionalProperties": False,
    }


# ── methods ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _methods(registry: Registry, foreign: bool) -> Schema:
    rows = [row for row in registry.describe() if foreign or row.name in registry.known]
    tables = []
    for row in rows:
        cls = registry.load(row.name)
        made: dict[str, Schema] = {"method": {"const": row.name}}
        needed = ["method"]
        for f in [f for f in fields(cls) if f.init] if is_dataclass(cls) else []:
            default = f.default if f.default is not MISSING else None
            made[f.name] = {**_annotated(str(f.type)), **_default(default), "description": row.meanings.get(f.name, "")}
            needed += [f.name] * (f.default is MISSING and f.default_factory is MISSING and f.name != "max")
        tables.append(
            {
                "title": row.name, "description": row.summary, "type": "object", "properties": made,
                "required": needed, "additionalProperties": not is_dataclass(cls),
            }
        )  # fmt: skip
    return {
        "description": f"a {registry.kind}: a name, or a table with method = a name and its settings",
        "anyOf": [{"enum": [row.name for row in rows]}, *tables],
    }


# ── domains ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _domains() -> dict[str, Schema]:
    from trimtab.space._build import _ALMOST, _NUMBER, TYPES

    word = rf"(log(=?\d+)?|(step|default)={_NUMBER})"
    whole = rf"^\s*{_NUMBER}\s*\.\.\s*{_NUMBER}([\s:,]+{word})*([\s:]+when[\s=].+)?\s*$"
    texts: Schema = {
        "type": "string",
        "description": 'a range: "1..8", "1e-5..0.1 log", "16..512 log2 default=64 when mode == \'safe\'"; '
        "or a constant",
        "anyOf": [{"pattern": whole}, {"not": {"pattern": _ALMOST.pattern}}],
    }
    choices: Schema = {"type": "array", "minItems": 1, "description": "a choice"}
    tables = [_table(kind, cls) for kind, cls in TYPES.items()]
    no_type: Schema = {"not": {"required": ["type"], "properties": {"type": {"type": "string"}}}}
    group: Schema = {"type": "object", "additionalProperties": {"$ref": "#/definitions/domain"}}
    inner = {"allOf": [{"$ref": "#/definitions/group"}, no_type], "description": "a group: its names are dotted"}
    constants: Schema = {"type": ["number", "boolean"], "description": "a constant"}
    return {"domain": {"anyOf": [texts, choices, constants, *tables, inner]}, "group": group}


def _table(kind: str, cls: Any) -> Schema:
    made: dict[str, Schema] = {"type": {"const": kind}}
    needed = ["type"]
    for f in fields(cls):
        if not f.init or f.name == "_":
            continue
        made[f.name] = {**_field(f.name, str(f.type)), "description": FIELDS.get(f.name, "")}
        if f.default is MISSING and f.default_factory is MISSING:
            needed.append(f.name)
    schema: Schema = {"title": kind, "type": "object", "properties": made, "additionalProperties": False}
    if kind == "choice":
        needed.remove("choices")
        schema["anyOf"] = [{"required": ["choices"]}, {"required": ["branches"]}]
    return schema | {"required": needed}


def _field(name: str, annotation: str) -> Schema:
    if name == "branches":
        table = {"type": "object", "additionalProperties": {"$ref": "#/definitions/group"}}
        return {"anyOf": [table, TEXTS]}  # or the labels, where the parameters stand apart under dotted names
    if name == "when":
        return CONDITION
    if name == "block":
        return {"$ref": "#/definitions/group"}
    if name in ("choices", "of"):
        return {"type": "array", "minItems": 1}
    return _annotated(annotation.replace(" | Expression", ""))
