"""Parts of the reference that are read off the code when the pages are built, so they can't say something else.

    ```{from-the-code} searchers
    ```

puts the Markdown there that the function of that name in MAKERS returns. Docstrings here are plain text with aligned
columns; `as_rst` turns them into what autodoc wants.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TRAITS = {
    "conditional": "conditions (`when=`) and branches",
    "rules": "`require=`, `forbid=`, and bounds that depend on other parameters",
    "objectives": "several objectives",
    "constraints": "constraints on results",
    "subset": "`Subset` parameters",
    "permutation": "`Permutation` parameters",
    "simplex": "`Simplex` parameters",
    "unbounded": "parameters without bounds",
    "levels": "trials of several budgets",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def tick(yes: bool) -> str:
    return "✓" if yes else "–"


# ── methods ──────────────────────────────────────────────────────────────────────────────────────────────────────


def searchers() -> str:
    """Searchers × what they declare to take."""
    from trimtab.protocol import TRAITS as KNOWN
    from trimtab.search._registry import REGISTRY, describe

    traits = [*TRAITS, *sorted(KNOWN - TRAITS.keys())]
    legend = "\n".join(f"- **{t}**: {TRAITS.get(t, t)}" for t in traits)
    legend += "\n- **chooses**: picks which paused trial goes on, for schedulers that want it\n\n"
    rows = []
    for row in describe():
        cls = REGISTRY.load(row.name)
        rows.append([f"`{row.name}`", *(tick(t in row.takes) for t in traits), tick(cls.chooses)])
    return legend + table(["searcher", *traits, "chooses"], rows)


def schedulers() -> str:
    """Schedulers: what they do, and the rungs that they make."""
    from trimtab.schedule._registry import REGISTRY, describe

    rows = []
    for row in describe():
        made = REGISTRY.make(row.name, **({"max": 81} if "max" in row.settings else {}))
        rungs = ", ".join(f"{level:g}" for level in made.levels) or "none"
        rows.append([f"`{row.name}`", _escaped(row.summary), rungs, tick(made.needs_chooser)])
    return table(["scheduler", "what it does", "rungs with `max_budget=81`", "needs a searcher that chooses"], rows)


def settings_of_searchers() -> str:
    from trimtab.search._registry import describe

    return "\n".join(_settings(row) for row in describe())


def settings_of_schedulers() -> str:
    from trimtab.schedule._registry import describe

    return "\n".join(_settings(row) for row in describe())


def _settings(row: Any) -> str:
    parts = [f"### {row.name}\n", row.summary + "\n"]
    if row.settings:
        rows = [[f"`{n}`", _default(d), row.meanings.get(n, "")] for n, d in row.settings.items()]
        parts.append(table(["setting", "default", "what it is for"], rows))
    if row.source:
        parts.append(f"Source: {_escaped(row.source)}\n")
    return "\n".join(parts)


def _default(value: Any) -> str:
    return "*required*" if value == "required" else f"`{value!r}`"


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────


def commands() -> str:
    """`--help` of every command, word for word."""
    from trimtab.cli import trimtab as group

    top = click.Context(group, info_name="trimtab", terminal_width=96, max_content_width=96)
    parts = [_help(group, top)]
    for name in sorted(group.commands):
        context = click.Context(group.commands[name], info_name=name, parent=top, terminal_width=96)
        context.max_content_width = 96
        parts += [f"## trimtab {name}\n", _help(group.commands[name], context)]
    return "\n".join(parts)


def _help(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context).rstrip()}\n```\n"


# ── study.toml ───────────────────────────────────────────────────────────────────────────────────────────────────


def study_keys() -> str:
    """The keys of every table, as the JSON Schema has them."""
    from trimtab.cli._schema import study_schema

    schema = study_schema(foreign=False)
    parts = []
    for title, keys in (
        (
            "The top level",
            {k: v for k, v in schema["properties"].items() if k not in ("space", "rules", "run", "stop")},
        ),
        *((f"`[{name}]`", schema["properties"][name]["properties"]) for name in ("rules", "run", "stop")),
    ):
        rows = [[f"`{k}`", _escaped(v.get("description", "")), _values(v)] for k, v in keys.items()]
        parts += [f"### {title}\n", table(["key", "what it is", "type"], rows)]
    return "\n".join(parts)


def _values(schema: dict[str, Any]) -> str:
    """What a key may be, in words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']!r}`".replace("False", "false")
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_values(one) for one in schema["anyOf"]))
    if "$ref" in schema:
        return f"a name or a table: {schema['$ref'].rpartition('/')[2]}"
    words = {"integer": "whole number", "string": "text", "array": "list", "object": "table", "boolean": "true, false"}
    return words.get(str(schema.get("type")), str(schema.get("type", "")))


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────


def errors() -> str:
    """Every error class, with what it is for and what else it is."""
    from trimtab import errors as module

    rows = []
    for name, cls in vars(module).items():
        if inspect.isclass(cls) and issubclass(cls, Exception) and cls.__module__ == module.__name__:
            bases = [b.__name__ for b in cls.__mro__[1:] if issubclass(b, Exception)]
            outside = next((b for b in bases if b not in vars(module)), "")
            rows.append([f"`{name}`", (cls.__doc__ or "").split("\n")[0], f"`{outside}`"])
    return table(["error", "when", "is also a"], rows)


def foreign_keywords() -> str:
    """Other tools' keywords and the words here."""
    from trimtab.study._keywords import FOREIGN

    return table(["elsewhere", "trimtab says"], [[f"`{k}`", _escaped(v)] for k, v in FOREIGN.items()])


def events() -> str:
    from trimtab.log import DECISIONS, KINDS

    told = {
        "defined": "space, objectives, methods, seed: at the start, and again at every change",
        "enqueued": "a configuration to be tried next",
        "started": "a trial: configuration, seed, why, which method, and what it had seen",
        "reported": "metrics at a step (and fold)",
        "judged": "pause or stop, with the reason",
        "ended": "finished, stopped, paused, failed or lost: values, costs, error",
        "saved": "a checkpoint has been published",
        "dropped": "old checkpoints are about to be removed",
        "amended": "a correction, an invalidation or its undoing, with the reason",
        "answered": "an outside answer that a method had asked for",
        "noted": "words and numbers to keep; environments of runs",
        "closed": "the study is over, with the rule that ended it",
    }
    rows = [[f"`{k}`", tick(k in DECISIONS), told[k]] for k in told]
    assert told.keys() == KINDS
    return table(["kind", "a decision", "what it says"], rows)


MAKERS: dict[str, Callable[[], str]] = {
    f.__name__: f
    for f in (
        searchers, schedulers, settings_of_searchers, settings_of_schedulers, commands, study_keys, errors,
        foreign_keywords, events,
    )
}  # fmt: skip


class FromTheCode(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the code may have changed where the page has not
        text = MAKERS[self.arguments[0]]()
        return self.parse_text_to_nodes(text, allow_section_headings=True)


# ── docstrings ───────────────────────────────────────────────────────────────────────────────────────────────────

UNDERLINED = re.compile(r"^-{4,}$")  # sections as numpy and scikit-learn write them
COLUMNS = re.compile(r"^(\S+(?:,? \S+)*?)\s{2,}(?=\S)")


def as_rst(lines: Sequence[str]) -> list[str]:
    """A docstring in this project's plain style, as reStructuredText: columns to definitions, samples to literals."""
    if any(UNDERLINED.match(line) for line in lines):
        return _sections(lines)
    out: list[str] = []
    for paragraph in _paragraphs(lines):
        head = COLUMNS.match(paragraph[0])
        if paragraph[0].startswith((" ", ">>>")):
            out += ["::", "", *(f"    {line}" for line in paragraph), ""]
        elif head and len(paragraph) > 1:
            for line in paragraph:
                name, text = _split(line, head.end())
                out += [f"``{name}``"] if name else []
                out += [f"    {_escaped(text)}"]
            out += [""]
        else:
            out += [*(_escaped(line.strip()) for line in paragraph), ""]
    return out


def _sections(lines: Sequence[str]) -> list[str]:
    """numpy's style: titles underlined, entries "name : type" with their text indented below."""
    out: list[str] = []
    inside = samples = False
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and UNDERLINED.match(lines[i + 1]):
            inside, samples = line.strip() in ("Parameters", "Attributes"), line.strip() == "Examples"
            out += ["", f".. rubric:: {line}", ""]
        elif not UNDERLINED.match(line):
            if inside and line.strip() and not line.startswith(" "):
                names, _, kind = line.partition(" : ")
                out += [f"``{names}``" + (f" : {_escaped(kind)}" if kind else "")]
            else:
                indent = line[: len(line) - len(line.lstrip())]
                out += [line if samples else indent + _escaped(line.strip())]
    return out


def _split(line: str, at: int) -> tuple[str, str]:
    """A line of a table whose texts begin at a column; a longer name has its own place, two blanks before the text."""
    found = COLUMNS.match(line)
    if found:
        return found[1], line[found.end() :]
    aligned = line[:at].strip() and line[at - 1 : at] == " "
    return (line[:at].strip(), line[at:]) if aligned and not line.startswith(" ") else ("", line.strip())


def _paragraphs(lines: Sequence[str]) -> Iterable[list[str]]:
    """Runs of lines between blank ones; a line in columns after one that isn't begins another paragraph."""
    held: list[str] = []
    for line in lines:
        if not line.strip():
            if held:
                yield held
            held = []
            continue
        if held and COLUMNS.match(line) and not COLUMNS.match(held[0]) and not line.startswith((" ", ">>>")):
            yield held
            held = []
        held.append(line)
    if held:
        yield held


def _escaped(text: str) -> str:
    """Plain text as reStructuredText; `names` in backquotes become literals."""
    parts = re.split(r"`([^`\n]+)`", text)
    return "".join(f"``{p}``" if i % 2 else re.sub(r"([*`|\\]|_(?=\W|$))", r"\\\1", p) for i, p in enumerate(parts))


def _docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    if what == "class" and lines and re.match(r"^\w+\(.*\)( ->.*)?$", lines[0]):
        lines.clear()  # a dataclass without a docstring: its own signature
    lines[:] = as_rst(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("from-the-code", FromTheCode)
    app.connect("autodoc-process-docstring", _docstring)
    return {"parallel_read_safe": True, "version": "1"}
