"""The shell speaks the shell's words, and what it says can't harm a terminal."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import trimtab
from trimtab.cli import _words, code_of
from trimtab.cli._words import clean, file_words, shell_words

SOURCES = Path(trimtab.__file__).parent
ROOMS = ("study", "storage")  # what is raised elsewhere speaks to whoever writes Python: domains, objectives, methods
# A method of a study, a name of the package, an argument, a call: what only Python says.
PYTHON = re.compile(r"\bstudy\.(?!toml)[a-z_]+\b|\btt\.[A-Za-z]|\b[a-z_]+=(?=[\s.,;:)]|$)|\boptimize\(|\bStudy\(")
NO_SHELL = (  # raised for values that no shell command can give
    "the objective must be a function",
    "stop=",
    "goes on with a paused trial first",
    "note(",
    "without n, one trial",
    "minimize() names",
)


def text_of(node: ast.AST) -> str:
    """A message as the source has it; what is filled in becomes 17."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(v) if isinstance(v, ast.Constant) else "17" for v in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left) + text_of(node.right)
    return ""


def messages() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for file in sorted((SOURCES / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                called = node.exc if isinstance(node, ast.Raise) else node
                if not isinstance(called, ast.Call):
                    continue
                name = called.func.id if isinstance(called.func, ast.Name) else ""
                if isinstance(node, ast.Raise) or name in ("say", "warn"):
                    for argument in called.args:
                        if text := text_of(argument):
                            yield f"{file.relative_to(SOURCES)}:{node.lineno}", text


def test_no_message_reaches_the_shell_in_words_of_python() -> None:
    found = [(where, text) for where, text in messages() if not any(word in text for word in NO_SHELL)]
    assert len(found) > 60
    left = [f"{where}: {told}" for where, text in found if PYTHON.search(told := shell_words(text, "d.toml"))]
    assert not left, "add a rule to trimtab/cli/_words.py:\n" + "\n".join(left)


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ('To change it: study.correct(17, {…}, reason="…").',
         'To change it: trimtab correct d.toml 17 METRIC=NUMBER --reason "…".'),
        ("First: study.restore(17).", "First: trimtab restore d.toml 17."),
        ("To go on: study.reopen().", "To go on: trimtab run d.toml --more 10."),
        ("Tell its end first: study.tell(3, …).", "Tell its end first: trimtab tell d.toml 3 METRIC=NUMBER."),
        ("correct(3, …) needs reason=: whoever", "trimtab correct d.toml 3 needs --reason: whoever"),
        ('Use another name, or if_exists="new" to begin', "Use another name, or --set if_exists=new to begin"),
        ("Failures: study.failures() or: trimtab show d.db --failures", "Failures: trimtab show d.db --failures"),
        ("Say which: tt.load('x.db', name='a b').", "Say which: -s 'a b'."),
        ("stop=[tt.Failures(in_a_row=None)]", "[stop] failures = false"),
        ("Leave seed= out.", "Leave seed out."),
        ("trimtab says workers= (processes).", "trimtab says --workers (processes)."),
        ("or run with workers=1.", "or run with --workers 1."),
    ],
)  # fmt: skip
def test_a_rule_for_each_phrase(python: str, shell: str) -> None:
    assert shell_words(python, "d.toml") == shell


def test_a_word_of_another_tool_is_answered_as_the_file_says_it() -> None:
    from trimtab._foreign import WORDS

    told = {word: file_words(says) for words in WORDS.values() for word, says in words.items()}
    left = {w: t for w, t in told.items() if PYTHON.search(t) and "tt.SearchCV" not in t}
    assert not left
    assert told["pruner"] == "scheduler"
    assert told["resources"] == "per_trial = { gpu = 1 }"


def test_without_a_study_file_nothing_is_told_that_would_not_run() -> None:
    assert shell_words("To go on: study.reopen().", "d.db") == "To go on: the command that began it, with --more 10."
    assert shell_words("First: study.restore(3).", "my file.db") == "First: trimtab restore 'my file.db' 3."


def test_text_is_cleaned_of_what_moves_colours_or_turns_a_terminal() -> None:
    hostile = "a\x1b[31mred\x1b[0m\x1b]0;title\x07 b\x9b2Jc\x07 d\u202edcba\u2066 \r\nnext"
    told = clean(hostile)
    assert "\x1b" not in told
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", told)
    assert told.splitlines()[1] == "next"


def test_warnings_of_trimtab_are_sentences_and_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    with _words.spoken(), warnings.catch_warnings():
        warnings.simplefilter("always")
        trimtab.Space({"x": trimtab.Int(5, 7, log=7)})
        shown = capsys.readouterr().err
    assert shown.startswith("trimtab: Int(5, 7): 7 is the only value.")


def test_a_programs_mistake_is_a_sentence_and_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    from trimtab.cli import _target

    def broken(target: str | None) -> str:
        raise KeyError("a bug")

    monkeypatch.setattr(_target, "found", broken)
    with pytest.raises(KeyError, match="a bug"):
        code_of(["show"])
