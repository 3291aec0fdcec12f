"""Files that are no study file, and the sentence for each: YAML, JSON, a script, a notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path

TOML = 'A study file is TOML: name = "…", minimize = "loss", [space] lr = "1e-5..0.1 log", [run] …'
BEGIN = "Begin one from a command you use: trimtab init -- ./solver --alpha 0.5 > study.toml"
SCRIPTS = {".py": "python", ".sh": "bash", ".r": "Rscript", ".jl": "julia"}


def sentence(target: str) -> str | None:
    """What to say when this is given in the place of a study file; None for what may be a study file or a storage."""
    if "://" in target or Path(target).is_dir():
        return None
    suffix = Path(target).suffix.lower()
    if suffix in (".yaml", ".yml", ".json"):
        return f"{target} is {'JSON' if suffix == '.json' else 'YAML'}. {TOML} {BEGIN}"
    if suffix in SCRIPTS:
        return (
            f"{target} is a program. Say what may vary, and the program after --: "
            f"trimtab run -p lr=1e-5..0.1:log -- {SCRIPTS[suffix]} {target}"
        )
    if suffix == ".ipynb":
        return f"{target} is a notebook: call study.optimize(…) in it. In the shell: trimtab run study.toml"
    return None


def looks_like(file: Path) -> str:
    """A hint for a .toml file that is another thing inside."""
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        json.loads(text)
        return f" It is JSON. {TOML}"
    except ValueError:
        pass
    if re.search(r"^\s*[\w-]+:\s", text, re.MULTILINE) and not re.search(r"^\s*[\w.-]+\s*=", text, re.MULTILINE):
        return f" It looks like YAML. {TOML}"
    return ""
