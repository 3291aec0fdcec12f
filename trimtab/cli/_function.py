"""`[run] function`: "train.py:objective", a file beside the study's, or "package.module:objective".

A file that lies in a package (a folder with __init__.py) is imported as its module, so `from .model import Net` works.
Any other is loaded under a name that nothing can import: it travels to workers by value, and may be called random.py.
Its own folder comes first on the path, as it does for `python train.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from trimtab.cli._toml import FileError
from trimtab.errors import TrimtabError, did_you_mean
from trimtab.run._importing import importing


def load_function(given: Any, base: Path, where: str) -> Any:
    """The function that a study file names, or FileError with the mend."""
    home, _, name = given.rpartition(":") if isinstance(given, str) else ("", "", "")
    if not home or not name.isidentifier():
        raise FileError(f'{where}: function = {given!r}: write "file.py:name" or "package.module:name".')
    module = _load_file(base / home, where) if home.endswith(".py") else _load_module(home, base, where)
    found = getattr(module, name, None)
    if not callable(found):
        own = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise FileError(f'{where}: {home} has no function "{name}". {did_you_mean(name, own)}')
    return found


def _load_file(file: Path, where: str) -> Any:
    if not file.is_file():
        raise FileError(f"{where}: there is no {file.name} in {file.parent}.")
    file = file.resolve()
    root, name = _package(file)
    if name is not None:
        _first(root)
        return _guarded(lambda: importlib.import_module(name), file, where)
    _first(file.parent)
    name = f"trimtab_file_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        _guarded(lambda: loader.exec_module(module), file, where)
    except TrimtabError:
        sys.modules.pop(name) if before is None else sys.modules.__setitem__(name, before)
        raise
    return module


def _package(file: Path) -> tuple[Path, str | None]:
    """(the folder above the package, the dotted name of the file's module); None when it is in no package."""
    names, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names) if len(names) > 1 and file.stem.isidentifier() else None


def _load_module(name: str, base: Path, where: str) -> Any:
    _first(base)
    try:
        return _guarded(lambda: importlib.import_module(name), None, where)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise FileError(f'{where}: function names the module "{name}", which can\'t be imported.') from None
        raise FileError(_failed(error, None, where)) from error


def _first(folder: Path) -> None:
    """Put a folder first on the path; workers get the same path."""
    text = str(folder)
    if text in sys.path:
        sys.path.remove(text)
    sys.path.insert(0, text)


def _guarded(load: Any, file: Path | None, where: str) -> Any:
    """Import, with what goes wrong in the user's code as one sentence that names the line."""
    try:
        with importing(f"{where} imported {file.name if file is not None else 'the module'}"):
            return load()
    except TrimtabError:
        raise
    except ModuleNotFoundError as error:
        if file is None:
            raise
        raise FileError(_failed(error, file, where)) from error
    except (Exception, SystemExit) as error:
        raise FileError(_failed(error, file, where)) from error


def _failed(error: BaseException, file: Path | None, where: str) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    frames = [f for f in frames if Path(f.filename).resolve() != Path(__file__).resolve()]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    if isinstance(error, SyntaxError):
        place = f"{Path(error.filename or '').name}:{error.lineno}"
    what = file.name if file is not None else "the module"
    text = f"{where}: {what} can't be imported: {type(error).__name__}: {error}" + (f" ({place})." if place else ".")
    if isinstance(error, ImportError) and "no known parent package" in str(error) and file is not None:
        text += f" Put an empty __init__.py beside {what}, or write the import without the dot."
    if isinstance(error, SystemExit):
        text += ' Put what the script does when it is run under: if __name__ == "__main__":'
    return text
