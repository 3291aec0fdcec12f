"""What is shown while a study runs, and at its end: frames at several widths, lines for a log, the summary."""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import trimtab as tt
from trimtab.errors import UnknownName
from trimtab.study._display import Display, display_for
from trimtab.study._frame import speed
from trimtab.study._status import about, config_words, duration, fixed
from trimtab.study._summary import bad_line, done_line, failures_page, paused_line, summary, trial_page


def test_words() -> None:
    assert [duration(s) for s in (3.14159, 42, 192, 7500, 273_600)] == [
        "3.1 s",
        "42 s",
        "3 min 12 s",
        "2 h 05 min",
        "3 d 4 h",
    ]
    rough = ["about 10 s", "about 40 s", "about 2 min", "about 3 h", "about 6 d"]
    assert [about(s) for s in (3, 44, 130, 10_000, 500_000)] == rough
    rates = ["11 a minute", "2 an hour", "2.0 a day", "50 a second"]
    assert [speed(n, s) for n, s in ((34, 192), (2, 3600), (2, 86_400), (500, 10))] == rates
    assert config_words({"m": "svm", "m.svm.C": 12.61, "on": True}) == "m=svm  C=12.6  on=true"
    assert config_words({"a.x": 1, "b.x": 2}) == "a.x=1  b.x=2"
    assert config_words({"a": "\x1b[31mx\n" + "y" * 99}) == "a=x " + "y" * 37 + "…"
    assert [fixed(0.98612, 4), fixed(1e12, 2), fixed(1e-12, 15)] == ["0.9861", "1e+12", "1e-12"]
    assert [fixed(-1e-9, 4), fixed(float("inf"), 3), fixed(0.0, 20)] == ["0.0000", "inf", "0.0000000"]


# ── running studies ──────────────────────────────────────────────────────────────────────────────────────────────


def bowl(values: list[float]) -> tt.Study:
    """A study whose trials have these losses, by number."""
    study = tt.Study("bowl", {"x": tt.Float(0, 1, default=0.5)}, minimize="loss", seed=0, searcher="random")
    return study.optimize(lambda t: values[t.number], trials=len(values), display=False)


def test_plain_lines_can_be_grepped() -> None:
    study = tt.Study("bowl", {"x": tt.Float(0, 1, default=0.5)}, minimize="loss", seed=0, searcher="random")
    stream = io.StringIO()
    losses = [0.5, 0.25, 0.75]
    study.optimize(lambda t: losses[t.number], trials=3, display=Display(study, stream=stream, mode="plain"))  # type: ignore[arg-type]
    lines = stream.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d bowl: ", line) for line in lines)
    assert lines[0].endswith("started, 0/3 trials, 1 worker, in memory")
    assert lines[-1].endswith("3/3 done, best loss 0.2500 (trial 1)")
    assert "\x1b" not in stream.getvalue()


def test_display_is_off_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    study = tt.Study("s", {"x": "0.0..1.0"}, minimize="loss")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert display_for(study, None) is None
    assert display_for(study, False) is None
    shown = display_for(study, True)
    assert shown is not None
    assert shown.mode == "plain"
    with pytest.raises(UnknownName, match="Did you mean 'plain'"):
        Display(study, mode="plane")


def test_terminal_is_drawn_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    study = tt.Study("bowl", {"x": tt.Float(0, 1, default=0.5)}, minimize="loss", seed=0, searcher="random")
    stream, hook = Terminal(), sys.breakpointhook
    study.optimize(lambda t: t["x"], trials=3, display=Display(study, stream=stream, mode="terminal"))  # type: ignore[arg-type]
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "bowl     random · in memory" in text
    assert re.search(r"━+   3/3 ", text)
    assert sys.breakpointhook is hook


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    study, stream = tt.Study("bowl", {"x": "0.0..1.0"}, minimize="loss", seed=0), io.StringIO()
    study.optimize(lambda t: t["x"], trials=2, display=Display(study, stream=stream, mode="terminal"))  # type: ignore[arg-type]
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", stream.getvalue())


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_summary() -> None:
    text = summary(bowl([0.5, 0.25, 0.75]), target="bowl.toml", seconds=75, total=3)
    lines = text.splitlines()
    assert lines[0].startswith("bowl: 3 trials in 1 min 15 s — 3 finished     stopped because:")
    assert lines[2] == "  best       loss  0.2500   trial 1"
    assert lines[3] == "  default    loss  0.5000   trial 0        gain 0.2500"
    assert "  next best: trial 0 (0.5000), trial 2 (0.7500)" in lines
    assert 'stored     nowhere: it is lost at exit. Keep it: study.save("bowl.db")' in lines
    assert lines[-3].startswith("next       trimtab show bowl.toml 1")
    assert lines[-1].endswith("trimtab run bowl.toml --more 10       go on")
    assert "±" not in text  # no spread was measured, so none is shown


def test_summary_shows_a_spread_that_was_measured() -> None:
    def objective(trial: tt.Trial) -> None:
        for fold in range(4):
            trial.report(loss=trial.number + fold / 10, fold=fold, step=1)

    study = tt.Study("folds", {"x": "0.0..1.0"}, minimize="loss", seed=0).optimize(objective, trials=2, display=False)
    text = summary(study)
    assert "best       loss  0.1500  ± 0.0645   trial 0" in text
    assert "close behind" not in text  # trial 1 is far outside the spread


def test_summary_of_a_second_run_tells_both(tmp_path: Path) -> None:
    study = bowl([0.5, 0.25, 0.75])
    study.optimize(lambda t: 1.0, trials=5, display=False)
    assert "5 trials (2 of them now, in 1.0 s)" in summary(study, seconds=1, before=3)


def test_one_line_ends() -> None:
    study = bowl([0.5, 0.25, 0.75])
    assert done_line(study, 3, "bowl.toml") == (
        "bowl: done — 3 of 3 trials, best loss 0.2500 (trial 1). Go on: trimtab run bowl.toml --more 10"
    )
    assert paused_line(study, 9) == "bowl: paused at 3/9, best loss 0.2500 (trial 1). The same command continues."


def test_a_study_gone_bad_says_why() -> None:
    def objective(trial: tt.Trial) -> float:
        raise ValueError("no")

    study = tt.Study("bad", {"x": "0.0..1.0"}, minimize="loss", stop=[tt.Failures(None)])
    study.optimize(objective, trials=4, display=False)
    told = re.sub(r"py:\d+", "py:41", bad_line(study, "bad.toml"))
    assert told == (
        "bad: 4 trials, none finished (4 × ValueError at test_display.py:41). trimtab show bad.toml --failures"
    )
    assert failures_page(study).startswith("4 × ValueError: no   test_display.py:")
    page = trial_page(study, 2, "bad.toml")
    assert page.startswith("trial 2   failed after ")
    assert "error       ValueError at test_display.py:" in page
    assert "trimtab retry bad.toml 2              (recorded as attempt 2)" in page


def test_trial_page_of_a_finished_trial() -> None:
    space = {"x": tt.Float(0, 1, default=0.5)}
    study = tt.Study("c", space, minimize="loss", constraints=["size <= 8"], seed=0, searcher="random")
    study.optimize(lambda t: {"loss": 0.5, "size": 9.5 - t.number}, trials=3, display=False)
    page = trial_page(study, 0)
    assert "  values      loss 0.5" in page
    assert "  metrics     size 9.5" in page
    assert "  limit       size <= 8 is broken by 1.5" in page
    assert "  why         taken from the queue — the default: the baseline" in page
    assert "size <= 8 holds" in trial_page(study, 2)


def test_infeasible_and_several_objectives_have_words() -> None:
    study = tt.Study("c", {"x": "0.0..1.0"}, minimize="loss", constraints=["size <= 8"], seed=0, searcher="random")
    study.optimize(lambda t: {"loss": 0.5, "size": 9.5 - t.number / 2}, trials=2, display=False)
    assert 'none feasible yet (2 trials break "size <= 8", closest 9)' in summary(study)
    two = tt.Study("two", {"x": "0.0..1.0"}, minimize=["a", "b"], seed=0, searcher="random")
    two.optimize(lambda t: {"a": t.number, "b": 5 - t.number}, trials=3, display=False)
    assert "front      3 trials   a 0 … 2   b 3 … 5" in summary(two)


def test_summary_of_a_study_that_has_just_begun() -> None:
    study = tt.Study("new", {"x": "0.0..1.0"}, minimize="loss", seed=0)
    assert summary(study).startswith("new: 0 trials — 0 finished\n")
    study.ask()
    assert summary(study).startswith("new: 1 trial — 1 running\n")


# ── who sees what ────────────────────────────────────────────────────────────────────────────────────────────────


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def seen(study: tt.Study, objective: Any, trials: int, mode: str = "auto", **call: Any) -> str:
    stream = Tty()
    study.optimize(objective, trials=trials, display=Display(study, stream=stream, mode=mode), **call)
    return stream.getvalue()


def line(name: str = "line", **settings: Any) -> tt.Study:
    return tt.Study(name, {"x": "0.0..1.0"}, **{"minimize": "loss", "seed": 0, "searcher": "random", **settings})


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = seen(line(), lambda t: t["x"], 3)
    assert "\x1b" not in text
    assert [row.split(" line: ")[1].split(",")[0] for row in text.splitlines()] == ["started", "3/3 done"]


def test_many_fast_improvements_are_few_lines() -> None:
    began = time.monotonic()
    rows = seen(line(), lambda t: -t.number, 400, "plain").splitlines()
    assert len(rows) <= 3 + (time.monotonic() - began)  # one a second at most, the first and the last
    assert rows[-1].endswith("400/400 done, best loss -399.0 (trial 399)")


def test_logging_gets_the_lines_where_it_wants_them(caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    with caplog.at_level("INFO", logger="trimtab"):
        line().optimize(lambda t: t["x"], trials=2)
    told = [r.getMessage() for r in caplog.records if r.name == "trimtab"]
    assert told[0] == "line: started, 0/2 trials, 1 worker, in memory"
    assert any(text.startswith("line: 2/2 done, best loss ") for text in told)
    assert "started" not in capsys.readouterr().err


def test_a_run_that_pauses_says_so() -> None:
    import signal

    def objective(trial: tt.Trial) -> None:
        for step in trial.steps(3):
            if trial.number == 1:
                signal.raise_signal(signal.SIGINT)
            trial.report(loss=1 / step)

    study = line()
    assert seen(study, objective, 9, "plain").splitlines()[-1].endswith("1/9 paused, best loss 0.3333 (trial 0)")
    assert (
        seen(study, lambda t: 1.0, 2, "plain")
        .splitlines()[0]
        .endswith("resumed, 1/2 trials, best loss 0.3333 (trial 0), 1 worker, in memory")
    )


def test_a_second_interrupt_is_told_as_one() -> None:
    import signal

    def objective(trial: tt.Trial) -> float:
        if trial.number == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)  # another one: the same again, at once, would be an echo
        return 1.0

    stream, study = Tty(), line()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, trials=9, display=Display(study, stream=stream, mode="plain"))
    assert stream.getvalue().splitlines()[-1].endswith("2/9 interrupted, best loss 1.000 (trial 0)")


def test_the_reason_of_an_end_is_told() -> None:
    text = seen(line(stop=[tt.Target(0.0)]), lambda t: 2.0 - t.number, 9, "plain")
    assert "3/9 stopped: target 0 was reached by trial 2" in text.splitlines()[-1]


def test_trials_elsewhere_are_told_apart(tmp_path: Path) -> None:
    from trimtab.study._status import status

    study = line(storage=str(tmp_path / "s.db"))
    study.ask(n=2)
    ledger = study._log.ledger
    ledger.rows[1].owner = "node3:77:abc"
    host = "here:12:f"
    assert status(ledger, study._log.history, host).elsewhere == "1 asked by hand, 1 on node3"
    ledger.rows[0].owner = "here:99:e"
    assert status(ledger, study._log.history, host).elsewhere == "1 in another process, 1 on node3"
    ledger.rows[0].owner = host
    assert status(ledger, study._log.history, host).elsewhere == "1 here, 1 on node3"
    assert status(ledger, study._log.history, "").elsewhere == ""


def test_digits_are_those_in_which_the_best_differs() -> None:
    values = {
        "0.1235": [0.12345, 0.9], "0.123450": [0.12345, 0.123451], "1.000": [1.0, 2.0], "0.000": [0.0, 5.0],
        "1.2e-05": [1.2e-5, 1.0], "1.5e+12": [1.5e12, 1.6e12], "-3.000": [-3.0, 1.0], "120.0": [120.0, 120.0],
    }  # fmt: skip
    for shown, losses in values.items():
        study = line()
        for loss in losses:
            study.tell(study.ask(), loss)
        assert f"best       loss  {shown}" in summary(study), shown


def test_what_failed_or_is_infeasible_says_nothing_about_digits() -> None:
    study = line(constraints=["size <= 8"])
    for loss, size in ((1e-9, 9), (1.5, 1), (2.5, 1)):
        study.tell(study.ask(), {"loss": loss, "size": size})
    assert "best       loss  1.500   trial 1" in summary(study)


def test_a_hypervolume_only_grows() -> None:
    from trimtab.study._status import status

    study = tt.Study("two", {"x": "0.0..1.0"}, minimize=["a", "b"], seed=0, searcher="random")
    before = 0.0
    for n in range(40):
        trial = study.ask()
        study.tell(trial, {"a": trial["x"], "b": (1 - trial["x"]) * (2 - n / 40)})
        words = dict(w.split(" ", 1) for w in status(study._log.ledger, study._log.history).front if " " in w)
        assert ("hypervolume" in words) == (n >= 9)
        assert float(words.get("hypervolume", 0)) >= before
        before = float(words.get("hypervolume", 0))
    assert before > 0
