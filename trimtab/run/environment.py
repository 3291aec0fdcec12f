"""What a run was made with: versions, the processor's arithmetic, the code's commit, where and by which command.

Only what can change a decision's last bits enters the short hash (Python, platform, numpy, scipy, BLAS, kernels), so
two runs of the same study on the same machine have the same one. No environment variables, no secrets.
"""

from __future__ import annotations

import dis
import inspect
import json
import os
import platform
import re
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from trimtab.log import JSON

ARITHMETIC = ("python", "platform", "numpy", "scipy", "blas", "cpu", "simd")  # what the short hash covers
SECRET = re.compile(r"(pass(word|wd)?|token|secret|api[-_]?key|credential)", re.IGNORECASE)
HERE = str(Path(__file__).parent.parent) + os.sep
LIBRARIES = tuple({sysconfig.get_path(k) + os.sep for k in ("stdlib", "platstdlib", "purelib", "platlib")})
GIT_SECONDS = 2.0  # a repository on a slow disk is not worth more


def fingerprint() -> dict[str, JSON]:
    """The whole of it, as JSON."""
    return {**arithmetic(), **_code(_script_folder()), "host": socket.gethostname(), "argv": _masked(sys.argv)}


def short_hash(told: Mapping[str, JSON]) -> str:
    """12 hex digits over what arithmetic depends on."""
    text = json.dumps({k: told.get(k) for k in ARITHMETIC}, sort_keys=True)
    return blake2b(text.encode(), digest_size=6).hexdigest()


@cache
def _arithmetic() -> tuple[tuple[str, JSON], ...]:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return (
        ("python", platform.python_version()),
        ("platform", f"{platform.system()} {platform.machine()}"),
        ("trimtab", _version("trimtab")),
        ("numpy", np.__version__),
        ("scipy", _version("scipy")),
        ("blas", f"{blas.get('name', '?')} {blas.get('version', '?')}"),
        ("cpu", cpu_name()),
        ("simd", (config.get("SIMD Extensions", {}).get("found") or ["none"])[-1]),
    )


def arithmetic() -> dict[str, JSON]:
    """The part that decides on last bits, and trimtab's version."""
    return dict(_arithmetic())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cpu_name() -> str:
    """Vendor, family and model: BLAS picks its kernels by them when it is loaded."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    info = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    words = [info.get(k) for k in ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")]
    return " ".join(w for w in words if w) or platform.machine()


def _script_folder() -> Path:
    script = Path(sys.argv[0]) if sys.argv and sys.argv[0] else Path()
    return script.resolve().parent if script.is_file() else Path.cwd()


def _code(folder: Path) -> dict[str, JSON]:
    """Commit of the repository the script lies in, and whether tracked files differ from it."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit} | ({} if status is None else {"dirty": bool(status)})


def _git(folder: Path, *words: str) -> str | None:
    env = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}  # only looking
    try:
        said = subprocess.run(
            ["git", "-C", str(folder), *words], env=env, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()


def _masked(argv: list[str]) -> list[str]:
    """The command line without passwords: in URLs, and after names that sound like it."""
    out: list[str] = []
    for word in argv:
        word = re.sub(r"(://[^/\s:@]*):[^/\s@]*@", r"\1:***@", word)
        if out and out[-1].startswith("-") and "=" not in out[-1] and SECRET.search(out[-1]):
            word = "***"
        elif "=" in word and SECRET.search(word.partition("=")[0]):
            word = word.partition("=")[0] + "=***"
        out.append(word)
    return out


# ── packages ─────────────────────────────────────────────────────────────────────────────────────────────────────

MOST = 60  # packages: a whole program's worth


def packages(objective: Any) -> dict[str, JSON]:
    """{package: version} of what the objective's module has imported, and the user's own modules that it imports.

    Names imported inside the objective count too. What was never imported in this process has no say in its results.
    """
    function = inspect.unwrap(getattr(objective, "func", objective))
    todo = [sys.modules.get(getattr(function, "__module__", None) or "")]
    seen: set[ModuleType] = set()
    names = set(_imported_inside(function))
    while todo:
        module = todo.pop()
        if module is None or module in seen:
            continue
        seen.add(module)
        for value in list(vars(module).values()):
            home = value if isinstance(value, ModuleType) else sys.modules.get(_told(value, "__module__") or "")
            if home is None:
                continue
            if _is_own(home):
                todo.append(home)
                names.update(_imported_inside(value))
            else:
                names.add((_told(home, "__name__") or "").partition(".")[0])
    found = {name: _version_of(name) for name in sorted(names - sys.stdlib_module_names)[:MOST] if name in sys.modules}
    return {name: told for name, told in found.items() if told}


def _told(thing: Any, name: str) -> str | None:
    """An attribute that is text, or None. What is loaded only when it is looked at may fail there."""
    try:
        value = getattr(thing, name, None)
    except Exception:
        return None
    return value if isinstance(value, str) else None


def _is_own(module: ModuleType) -> bool:
    """A module of the user's: no library, nothing built in."""
    file = _told(module, "__file__")
    if file is None:
        return _told(module, "__name__") == "__main__"
    return not file.startswith((*LIBRARIES, HERE))


def _imported_inside(thing: Any) -> Iterator[str]:
    """Top-level names that a function imports when it runs."""
    code = getattr(thing, "__code__", None)
    todo = [code] if isinstance(code, CodeType) else []
    while todo:
        code = todo.pop()
        todo += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME" and instruction.argval:
                yield instruction.argval.partition(".")[0]


def _version_of(name: str) -> str | None:
    told = getattr(sys.modules[name], "__version__", None)
    if isinstance(told, str):
        return told[:100]
    return _version(name) or next((found for d in _distributions().get(name, ()) if (found := _version(d))), None)


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Which distribution a module came with (`yaml`: PyYAML): all metadata is read, so once, and only if need be."""
    from importlib.metadata import packages_distributions

    return packages_distributions()
