"""The command line: `trimtab VERB TARGET [words]`. A face: nothing imports it.

Exit codes: 0 done · 1 the study ended with no finished trial · 2 wrong use · 3 interrupted, can be continued ·
4 the storage can't be reached. Errors are one sentence; --debug adds where they came from.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from trimtab.cli._look import export, list_studies, log, methods, show, verify
from trimtab.cli._mend import ask, correct, invalidate, note, restore, retry, stop, tell
from trimtab.cli._run import init, run, try_
from trimtab.errors import StorageAway, StorageError, StudyStopped, TrimtabError

DONE, NOTHING, WRONG, INTERRUPTED, AWAY = range(5)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="trimtab", prog_name="trimtab")
def trimtab() -> None:
    """One workbench for hyperparameters: search, early stopping, evidence.

    TARGET is a study.toml, a studies.db or a database URL. Left out: $TRIMTAB_STORAGE, or the only study here.
    """


for _command in (
    run, try_, init, show, list_studies, log, export, verify, methods,
    ask, tell, retry, correct, invalidate, restore, note, stop,
):  # fmt: skip
    trimtab.add_command(_command)


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point: runs one command and leaves with its exit code."""
    sys.exit(code_of(list(sys.argv[1:] if argv is None else argv)))


def code_of(argv: list[str]) -> int:
    """Run one command; its exit code."""
    mine = argv[: argv.index("--")] if "--" in argv else argv
    debug = "--debug" in mine
    if debug:
        argv.remove("--debug")
    try:
        code = trimtab.main(args=argv, prog_name="trimtab", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        error.show()
        return WRONG
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. The same command continues.", err=True)
        return INTERRUPTED
    except TrimtabError as error:
        if debug:
            raise
        click.echo(f"trimtab: {error}", err=True)
        return NOTHING if isinstance(error, StudyStopped) else AWAY if _away(error) else WRONG


def _away(error: TrimtabError) -> bool:
    return isinstance(error, (StorageAway, StorageError))


__all__ = ["code_of", "main", "trimtab"]
