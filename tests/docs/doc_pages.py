"""The pages of the documentation as programs: what a reader would type, in the order of the page.

A page is run from top to bottom in a folder of its own.
    python   Blocks that follow one another are one script, run without a guard. A first line "# train.py" makes a file.
    console  Lines that begin with "$ " are typed into one bash; what stands below each is what it prints.
    toml     A first line "# study.toml" makes a file; every block is loaded.
    other    A first line "// solver.c" or "# name" makes a file. text behind python: what that block prints.
"..." in what is printed stands for anything. A comment before a block says what is special about it:
    <!-- not run: why -->    it can't run here; Python is compiled and TOML loaded all the same
    <!-- numbers vary -->    what is printed has to agree but for the numbers in it (and how wide they are)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import trimtab

ROOT = Path(trimtab.__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^(?:<!-- ([^\n]*?) -->\n)?```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
FILE = re.compile(r"^(?:#|//) (?P<name>[\w.-]+\.\w+)$", re.MULTILINE)
KINDS = {"python", "console", "toml", "text", "c", "sh", "json", "sql"}
NEXT = "\x1e"  # printed between blocks, so that what each has printed can be told apart


@dataclass(frozen=True)
class Block:
    kind: str
    body: str
    mark: str  # the comment before it
    line: int

    @property
    def spared(self) -> str:
        """Why it is not run; "" for one that is."""
        return self.mark.removeprefix("not run:").strip() if self.mark.startswith("not run:") else ""

    @property
    def varies(self) -> bool:
        return self.mark == "numbers vary"

    @property
    def file(self) -> str | None:
        """The file that this block shows."""
        found = FILE.match(self.body)
        return found["name"] if found and self.kind != "console" else None


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(kind, body, mark or "", text[: found.start()].count("\n") + 1)
        for found in BLOCK.finditer(text)
        for mark, kind, body in [found.groups()]
    ]


def pages() -> list[Path]:
    return sorted(p for p in DOCS.rglob("*.md") if not {"_build", "_parts"} & set(p.parts))


def environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a reader whose virtual environment is active: `python` and `trimtab` are on the path."""
    bin_ = folder / ".bin"
    bin_.mkdir(exist_ok=True)
    for name, words in (("python", ""), ("python3", ""), ("trimtab", "-m trimtab ")):
        script = bin_ / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n', encoding="utf-8")
        script.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("TRIMTAB_", "SLURM_", "PG"))}
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    return env | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "110", **more}


def run_page(page: Path, folder: Path, more: Mapping[str, str] | None = None) -> None:
    """Run everything on a page, in its order."""
    env, script = environment(folder, more or {}), list[Block]()
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        assert block.kind in KINDS, f"{where}: no such kind of block: {block.kind}"
        if block.kind == "python":
            compile(block.body, where, "exec")
        if block.kind == "toml":
            load_toml(block, where)
        if block.spared:
            continue
        if block.file is not None:
            (folder / block.file).write_text(block.body, encoding="utf-8")
        elif block.kind == "python" or (block.kind == "text" and script):
            script.append(block)
        elif block.kind == "console":
            run_script(script, where, folder, env)
            script = []
            run_console(block, where, folder, env)
    run_script(script, str(page.relative_to(ROOT)), folder, env)


def load_toml(block: Block, where: str) -> None:
    from trimtab.cli._toml import plan_of

    document = tomllib.loads(block.body)
    if where.startswith("docs/") and "project" not in document:
        plan = plan_of(document, Path(block.file or "block.toml"))
        space = plan.make_space()
        assert space is None or space.names, where


def run_script(script: list[Block], where: str, folder: Path, env: Mapping[str, str]) -> None:
    """Blocks of Python as one file, and what each should have printed."""
    code = [b for b in script if b.kind == "python"]
    if not code:
        return
    between = f"\nimport sys as _s; _s.stdout.write({NEXT!r})\n"
    file = folder / "page.py"
    file.write_text(between.join(b.body for b in code), encoding="utf-8")
    words = [sys.executable, "-W", "error", str(file)]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{where}, from line {code[0].line}:\n{done.stderr}"
    printed = iter(done.stdout.split(NEXT))
    last = ""
    for block in script:
        if block.kind == "python":
            last = next(printed)
        else:
            same(block.body, last, f"{where}, line {block.line}", block.varies)


def run_console(block: Block, where: str, folder: Path, env: Mapping[str, str]) -> None:
    """What is typed, in one bash; each line's output and that it succeeded."""
    typed = list(sessions(block.body))
    lines = ["exec 2>&1"]
    for command, _ in typed:
        lines += [command, f"printf '{NEXT}%d{NEXT}' $?"]
    shell = ["bash", "-c", "\n".join(lines)]
    done = subprocess.run(shell, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    parts = done.stdout.split(NEXT)
    for i, (command, wanted) in enumerate(typed):
        printed, code = parts[2 * i : 2 * i + 2]
        assert code == "0", f"{where}: $ {command}\nended with {code}:\n{printed}"
        same(wanted, printed, f"{where}: $ {command}", block.varies)


def sessions(body: str) -> Iterator[tuple[str, str]]:
    """(what is typed, what should be printed) for each "$ " of a console block; a line that ends with \\ goes on."""
    lines = body.splitlines()
    while lines:
        line = lines.pop(0)
        assert line.startswith("$ "), f"a console block begins with what is typed: {line}"
        command = line[2:]
        while command.endswith("\\"):
            command += "\n" + lines.pop(0)
        wanted = []
        while lines and not lines[0].startswith("$ "):
            wanted.append(lines.pop(0))
        yield command, "\n".join(wanted)


def same(wanted: str, printed: str, where: str, varies: bool = False) -> None:
    """Equal apart from white space at the ends of lines. "..." is anything, and alone on a line any number of lines.
    Where nothing is shown, nothing is said."""
    told, shown = (shape(text, varies) for text in (wanted, printed))
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") + r"\n" for line in told
    )
    if told and not re.fullmatch(pattern, "".join(line + "\n" for line in shown)):
        raise AssertionError(f"{where}\nprinted:\n{printed}\nthe page says:\n{wanted}")


def shape(text: str, varies: bool) -> list[str]:
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    return [re.sub(r" +", " ", NUMBER.sub("0", line)) for line in lines] if varies else lines
