"""The command line: `trimtab VERB TARGET [words]`. A face: nothing imports it.

Exit codes: 0 done · 1 the study ended with no finished trial (of ask: it has ended) · 2 wrong use · 3 interrupted, can
be continued · 4 the storage can't be reached. Errors are one sentence; --debug adds where they came from.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from trimtab.cli._bench import bench
from trimtab.cli._complete import completion
from trimtab.cli._import import import_
from trimtab.cli._look import export, list_studies, log, show
from trimtab.cli._mend import ask, correct, enqueue, invalidate, note, restore, retry, stop, tell
from trimtab.cli._methods import compare, methods, report, verify
from trimtab.cli._run import init, run
from trimtab.cli._try import ObjectiveFailed, try_
from trimtab.cli._words import known_target, ours, say, shell_words, spoken
from trimtab.errors import StorageError, StudyFinished, StudyStopped, TrimtabError

DONE, NOTHING, WRONG, INTERRUPTED, AWAY = range(5)
UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # of a stream: it has no name, as a file has
GROUPS = {
    "Run": (run, try_, init),
    "Look": (show, list_studies, log, export, compare, report),
    "Mend": (retry, enqueue, correct, invalidate, restore, note, stop),
    "By hand": (ask, tell),
    "More": (methods, verify, bench, import_, completion),
}


class Trimtab(click.Group):
    """The verbs, in the order in which they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for commands in GROUPS.values() for command in commands if (name := command.name)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        wide = max(len(name) for name in self.list_commands(ctx))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                rows = [(f"{c.name:<{wide}}", c.get_short_help_str(formatter.width - wide - 6)) for c in commands]
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. What it raises is said in the shell's words, while it is known what the target is called."""
        try:
            with spoken():
                return super().invoke(ctx)
        except BrokenPipeError:  # `trimtab show … | head`: enough was read
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        except ObjectiveFailed as failed:
            say(failed.shown, err=True)
            return NOTHING
        except TrimtabError as error:
            return _told(error, _code(error), ctx)
        except (TypeError, ValueError) as error:
            if not _from_trimtab(error):
                raise
            return _told(error, WRONG, ctx)


def _told(error: Exception, code: int, ctx: click.Context) -> int:
    if (ctx.obj or {}).get("debug"):
        say("".join(traceback.format_exception(error)).rstrip(), err=True)
    say(f"trimtab: {shell_words(str(error), known_target())}", err=True)
    return code


def _from_trimtab(error: Exception) -> bool:
    """Whether trimtab raised it on purpose: the last line of its traceback is a `raise` of trimtab's."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and ours(frames[-1].filename) and _raises(frames[-1].line)


def _raises(line: str | None) -> bool:
    return line is None or line.lstrip().startswith("raise ")


def _code(error: TrimtabError) -> int:
    if isinstance(error, (StudyStopped, StudyFinished)):
        return NOTHING
    return AWAY if isinstance(error, StorageError) else WRONG


@click.group(cls=Trimtab, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="trimtab", prog_name="trimtab")
def trimtab() -> None:
    """One workbench for hyperparameters: search, early stopping, evidence.

    TARGET is a study.toml, a studies.db or a database URL. Left out: $TRIMTAB_STORAGE, or the only study here.

    \b
    trimtab init -- ./solver --alpha 0.5 in.dat > solver.toml    begin
    trimtab run solver.toml                                      run, and go on
    trimtab show solver.toml                                     what came of it
    """


trimtab.epilog = (
    "Exit codes: 0 done, 1 no trial finished, 2 wrong use, 3 interrupted (the same command continues), "
    "4 storage can't be reached. --debug with any command adds the traceback."
)
for _commands in GROUPS.values():
    for _command in _commands:
        trimtab.add_command(_command)


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point: runs one command and leaves with its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller: `trimtab show >&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    sys.exit(code_of(list(sys.argv[1:] if argv is None else argv)))


def code_of(argv: Sequence[str]) -> int:
    """Run one command; its exit code."""
    end = argv.index("--") if "--" in argv else len(argv)
    mine, debug = [word for word in argv[:end] if word != "--debug"], "--debug" in argv[:end]
    try:
        code = trimtab.main(args=[*mine, *argv[end:]], prog_name="trimtab", standalone_mode=False, obj={"debug": debug})
        return code if isinstance(code, int) else DONE
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.ClickException as error:
        _usage(error)
        return WRONG
    except (KeyboardInterrupt, click.Abort):
        say(
            "Interrupted." + " The same command continues." * (mine[:1] == ["run"] or mine[:2] == ["bench", "run"]),
            err=True,
        )
        return INTERRUPTED
    except OSError as error:
        if debug or error.filename is not None or error.errno not in UNWRITTEN:
            raise
        say(f"trimtab: the output can't be written: {error.strerror}.", err=True)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  what is left of it would fail at exit
        return WRONG


def _usage(error: click.ClickException) -> None:
    """`trimtab: No such option '--trails'. Did you mean '--trials'?   (trimtab run --help)`"""
    context = getattr(error, "ctx", None)
    text = error.format_message()
    path = context.command_path if context is not None else "trimtab"
    if type(error).__name__ == "NoArgsIsHelpError":  # no class of this name before click 8.2
        say(text, err=True)
        return
    say(f"trimtab: {text if text.endswith(('.', '?')) else text + '.'} See: {path} --help", err=True)


__all__ = ["code_of", "main", "trimtab"]
