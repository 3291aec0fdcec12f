"""import: the trials of a study that another tool made. A thin shell over trimtab.integrations."""

from __future__ import annotations

import shlex
from contextlib import closing
from pathlib import Path

import click

from trimtab.cli._options import as_json
from trimtab.cli._toml import FileError
from trimtab.cli._words import heard, say, say_json


@click.command("import")
@click.argument("source")
@click.option("--into", metavar="WHERE", required=True, help="The storage of the new study: digits.db, or a URL.")
@click.option("-s", "--study", "name", metavar="NAME", help="Of the studies in SOURCE, this one.")
@click.option("--rename", metavar="NAME", help="What it is called here.")
@as_json
def import_(source: str, into: str, name: str | None, rename: str | None, as_json: bool) -> int:
    """Take over the trials of an Optuna study.

    SOURCE is a database (study.db, a URL) or a journal file of Optuna's, which need not be installed.

    \b
    trimtab import optuna.db --into digits.db
    """
    from trimtab.integrations.optuna import load
    from trimtab.study._status import status

    if "://" not in source and not Path(source).is_file():
        raise FileError(f"There is no {source}.")
    with closing(load(source, name, into, rename=rename)) as study:
        heard(into)
        if as_json:
            from trimtab.cli._json import study_json

            say_json(study_json(study))
            return 0
        now, n = status(study._log.ledger, study.history), len(study)
        best = f", best {now.objective} {now.value} (trial {now.best})" if now.best is not None else ""
        say(f"{study.name}: {n} trial{'s' * (n != 1)} from {source}{best}. See: trimtab show {shlex.quote(into)}")
    return 0
