"""A stranger with strict pyright: the blocks of the pages and the examples know every type that is trimtab's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from doc_pages import DOCS, ROOT, Block, blocks, pages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DOCS.exists(), reason="an installed package has no docs"),
    pytest.mark.timeout(300),
]
WRONG_ON_PURPOSE = {"messages.md", "rules.md"}  # they show what is said to wrong calls
UNTYPED = re.compile(r"^\s*(from|import) (sklearn|optuna|pandas|torch)|\.to_pandas\(", re.MULTILINE)  # by themselves
REDEFINED = {"reportRedeclaration", "reportUnusedVariable", "reportUnusedImport", "reportConstantRedefinition"}


def annotated(code: str) -> str:
    """What a stranger under strict rules would write: the pages leave the objective's parameter bare."""
    code = re.sub(r"def (\w+)\(trial\):", r"def \1(trial: tt.Trial) -> object:", code)
    return code if "import trimtab as tt" in code or "tt." not in code else f"import trimtab as tt\n{code}"


def written(found: list[Block], folder: Path) -> None:
    """The files of a page, and its script."""
    folder.mkdir(parents=True)
    for block in found:
        if block.file:
            (folder / block.file).write_text(annotated(block.body), encoding="utf-8")
    code = "\n".join(b.body for b in found if not b.file)
    if code:
        (folder / "page.py").write_text(annotated(code), encoding="utf-8")


def of_numpy_or_meant(told: dict[str, Any]) -> bool:
    """numpy's own unknowns (augmented assignment of arrays), and the page whose bug is the point."""
    line = Path(told["file"]).read_text(encoding="utf-8").splitlines()[told["range"]["start"]["line"]]
    return "np.mean(" in line or "dropout=0.1" in line


def test_no_unknown_types(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    for page in [*pages(), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        found = [b for b in blocks(page) if b.kind == "python" and not b.spared and not b.body.startswith("# test_")]
        if found and page.name not in WRONG_ON_PURPOSE and not any(UNTYPED.search(b.body) for b in found):
            written(found, tmp_path / "src" / f"{page.parent.name}_{page.stem}")
    for file in (ROOT / "examples").glob("*.py"):
        if not UNTYPED.search(text := file.read_text(encoding="utf-8")):
            (tmp_path / "src" / file.name).write_text(annotated(text), encoding="utf-8")
    env = tmp_path / "env"
    venv.create(env, with_pip=False)
    site = next(env.glob("lib/python*/site-packages"))
    mine = [p for p in sys.path if p.endswith("site-packages")]
    (site / "trimtab.pth").write_text("\n".join([str(ROOT), *mine]))  # installed, as far as pyright can see
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"include": ["src"], "strict": ["src"], "venvPath": str(tmp_path), "venv": "env"})
    )
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson"], cwd=tmp_path, capture_output=True, text=True
    )
    if not done.stdout.startswith("{"):
        pytest.skip(f"pyright does not start here (it fetches node once): {done.stderr[-200:]}")
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] > 20
    wrong = [
        f"{Path(d['file']).relative_to(tmp_path)}:{d['range']['start']['line'] + 1}: {d['message']}"
        for d in told["generalDiagnostics"]
        if d["severity"] == "error" and d.get("rule") not in REDEFINED and not of_numpy_or_meant(d)
    ]
    assert not wrong, "\n".join(wrong)
