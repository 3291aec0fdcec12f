"""Every command in this process: what it prints, what it stores, and its exit code."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import trimtab as tt
from trimtab.cli import code_of

TOML = """
name     = "bowl"
minimize = "loss"
storage  = "bowl.db"
seed     = 0
searcher = "random"

[space]
x    = "-1.0..1.0 default=0.5"
kind = { type = "choice", choices = ["a", "b"], default = "a" }

[run]
function = "bowl.py:objective"
trials   = 4
"""
SCRIPT = """
def objective(trial):
    if trial.number == 2:
        raise ValueError("unlucky")
    return trial["x"] ** 2
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bowl.toml").write_text(TOML)
    (tmp_path / "bowl.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIMTAB_STORAGE", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def cli(here: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        code = code_of(list(words))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_run_and_again_and_more(cli: Run, here: Path) -> None:
    code, out, err = cli("run", "bowl.toml")
    assert code == 0
    assert "bowl: 4 trials in " in out
    assert "3 finished, 1 failed (ValueError)" in out
    assert re.search(r"\d\d:\d\d:\d\d bowl: started, 0/4 trials, 1 worker, bowl\.db", err)
    code, out, _ = cli("run", "bowl.toml")
    assert code == 0
    assert out.startswith("bowl: done — 4 of 4 trials, best loss ")
    code, out, err = cli("run", "bowl.toml", "--more", "2")
    assert code == 0
    assert "bowl: 6 trials (2 of them now, in " in out
    assert "resumed, 4/6 trials, best loss " in err
    assert len(tt.load(here / "bowl.db")) == 6


def test_the_default_is_trial_0(cli: Run, here: Path) -> None:
    cli("run", "bowl.toml")
    assert tt.load(here / "bowl.db").trial(0).config == {"x": 0.5, "kind": "a"}


def test_dry_run_stores_nothing(cli: Run, here: Path) -> None:
    code, out, err = cli("run", "bowl.toml", "--dry-run", "3")
    assert code == 0
    assert out.splitlines()[0] == "trial 0   x 0.5   kind a"
    assert len(out.splitlines()) == 3
    assert "Nothing was run or stored" in err
    assert not (here / "bowl.db").exists()


def test_set_changes_the_study_and_says_so(cli: Run) -> None:
    cli("run", "bowl.toml", "--trials", "2")
    code, _, err = cli("run", "bowl.toml", "--set", "searcher=sobol", "--set", "space.x=-2.0..2.0 default=0.5")
    assert code == 0
    assert "bowl: searcher: random → sobol" in err
    assert "bowl: x: " in err


def test_show(cli: Run) -> None:
    cli("run", "bowl.toml")
    assert "best       loss" in cli("show", "bowl.toml")[1]
    assert "best       loss" in cli("show")[1]  # the only study here
    assert cli("show", "bowl.db", "0")[1].startswith("trial 0   finished after ")
    assert cli("show", "2")[1].startswith("trial 2   failed after ")
    assert cli("show", "bowl.toml", "--failures")[1].startswith("1 × ValueError: unlucky   bowl.py:4 in objective")
    told = json.loads(cli("show", "bowl.toml", "--json")[1])
    assert (told["name"], told["counts"]["finished"]) == ("bowl", 3)
    assert json.loads(cli("show", "bowl.toml", "0", "--json")[1])["cause"] == "queue"


def test_show_as_toml_reads_back(cli: Run, here: Path) -> None:
    from trimtab.cli._toml import load

    cli("run", "bowl.toml", "--trials", "1")
    (here / "again.toml").write_text(cli("show", "bowl.db", "--toml")[1])
    plan = load(here / "again.toml")
    assert plan.make_space() == tt.load(here / "bowl.db").space
    assert plan.study["searcher"] == "random"
    assert plan.storage == str(here / "bowl.db")


def test_export_list_methods_verify(cli: Run, here: Path) -> None:
    cli("run", "bowl.toml")
    assert cli("export", "bowl.toml")[1].splitlines()[0].startswith("number,state,value,params_x,params_kind")
    code, _, err = cli("export", "bowl.toml", "-o", "t.jsonl", "--what", "events")
    assert (code, err) == (0, "Wrote t.jsonl.\n")
    assert (here / "t.jsonl").exists()
    assert cli("list", "bowl.db")[1].startswith("bowl   4 trials   1 failed   best loss ")
    assert cli("verify", "bowl.toml")[1].startswith("bowl: all ")
    assert "  tpe " in cli("methods")[1]
    assert "takes all but objectives · Hansen, The CMA Evolution Strategy" in " ".join(cli("methods")[1].split())
    assert "startup        10" in cli("methods", "tpe")[1]
    assert cli("methods", "tpee")[0] == 2


def test_mending(cli: Run, here: Path) -> None:
    cli("run", "bowl.toml")
    assert cli("correct", "bowl.toml", "1", "loss=0.25", "--reason", "units")[1] == "trial 1: loss 0.25\n"
    assert cli("invalidate", "bowl.toml", "1", "--reason", "wrong")[1] == "bowl: trial 1 taken out.\n"
    assert tt.load(here / "bowl.db").trial(1).state == "invalid"
    assert cli("restore", "bowl.toml", "1")[1] == "bowl: trial 1 back in.\n"
    assert cli("note", "bowl.toml", "1", "odd", "one")[0] == 0
    assert tt.load(here / "bowl.db").attributes(1) == {"note": "odd one"}
    assert cli("retry", "bowl.toml")[1] == "bowl: trial 2 will be tried again.\n"
    assert cli("stop", "bowl.toml")[1] == "bowl: stopped.\n"
    assert cli("correct", "bowl.toml", "1", "loss=big", "--reason", "r")[0] == 2


def test_ask_and_tell_by_hand(cli: Run, here: Path) -> None:
    code, out, _ = cli("ask", "bowl.toml", "--format", "env")
    assert code == 0
    assert re.fullmatch(r"TRIAL=0 x=-?[\d.e-]+ kind=[ab]\n", out)
    assert cli("tell", "bowl.toml", "0", "loss=0.5")[0] == 0
    told = json.loads(cli("ask", "bowl.toml")[1])
    assert told["trial"] == 1
    waits = cli("show", "bowl.toml")[1].splitlines()[1]
    assert re.fullmatch(r"  trial 1 was asked for by hand \d+ s ago: trimtab tell bowl\.toml 1 loss=…", waits)
    assert set(told["config"]) == {"x", "kind"}
    assert cli("tell", "bowl.toml", "1", "--failed", "diverged")[0] == 0
    cli("ask", "bowl.toml")
    assert cli("tell", "bowl.toml", "2", "loss=1", "--sem", "loss=0.25", "--seconds", "7.5", "--step", "3")[0] == 0
    study = tt.load(here / "bowl.db")
    assert (study.trial(2).sem, study.trial(2).cost["seconds"], study.trial(2).step) == ({"loss": 0.25}, 7.5, 3)
    assert (study.trial(0).value, study.trial(1).state) == (0.5, "failed")


def test_try_records_nothing(cli: Run, here: Path) -> None:
    code, out, _ = cli("try", "bowl.toml", "x=0.25")
    assert (code, out) == (0, "returned 0.0625\n")
    assert not (here / "bowl.db").exists()
    cli("run", "bowl.toml")
    assert cli("try", "bowl.toml", "--trial", "0")[1] == "returned 0.25\n"


def test_a_program_on_the_line(cli: Run, here: Path) -> None:
    program = here / "prog.py"
    program.write_text("import sys\nprint('score', float(sys.argv[1].split('=')[1]) ** 2)\n")
    words = ["run", "-p", "a=-1.0..1.0", "--maximize", "score", "--metric", r"score=regex:score (\S+)", "--trials", "3"]
    words += ["--name", "prog", "--save", "prog.toml", "--", sys.executable, "prog.py", "-a={a}"]
    code, out, err = cli(*words)
    assert (code, "Wrote prog.toml" in err) == (0, True)
    assert "best       score" in out
    code, out, _ = cli("run", "prog.toml")
    assert out.startswith("prog: done — 3 of 3 trials")
    code, out, _ = cli("log", "prog.toml", "0")
    assert out.startswith("score ")
    code, out, _ = cli("try", "prog.toml", "a=0.5")
    assert "score 0.25" in out


def test_init(cli: Run) -> None:
    code, out, _ = cli("init", "--", "./solver", "--alpha", "0.5")
    assert code == 0
    assert 'alpha = "0.125..2.0 log default=0.5"   # was 0.5' in out
    assert cli("init")[0] == 2


def test_a_stopped_study_says_so_and_goes_on_with_more(cli: Run) -> None:
    cli("run", "bowl.toml", "--trials", "2")
    cli("stop", "bowl.toml", "--why", "enough")
    code, out, _ = cli("run", "bowl.toml")
    assert code == 0
    assert out.startswith("bowl: ended — enough (2 of 4 trials, best loss ")
    assert out.endswith("To go on: trimtab run bowl.toml --more 10\n")
    code, out, _ = cli("run", "bowl.toml", "--more", "2")
    assert (code, "bowl: 4 trials" in out) == (0, True)


def test_a_stop_rule_ends_it_and_taking_the_rule_out_goes_on(cli: Run, here: Path) -> None:
    file = here / "bowl.toml"
    file.write_text(TOML + "\n[stop]\ntarget = 0.3\n")
    code, out, _ = cli("run", "bowl.toml")
    assert (code, "stopped because: target 0.3 was reached by trial 0" in out) == (0, True)
    out = cli("run", "bowl.toml")[1]
    assert "ended — target 0.3 was reached by trial 0" in out
    assert "To go on: change [stop] in bowl.toml" in out
    file.write_text(TOML)
    code, out, err = cli("run", "bowl.toml")
    assert "bowl: stop: target 0.3 → none" in err
    assert "bowl: 4 trials" in out


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "bowl.tml"], "There is no bowl.tml. Did you mean 'bowl.toml'?"),
        (["run", "bowll.toml"], "There is no bowll.toml. Did you mean 'bowl.toml'?"),
        (["show", "bowl.toml"], "bowl.toml: nothing has been run yet. Type: trimtab run bowl.toml"),
        (["show", "other.db"], "There is no other.db."),
        (["run", "bowl.toml", "-p", "x=1..2"], "-p goes with a program"),
        (["run", "-p", "x=1..2", "--", "./no_such_program"], "no_such_program"),
        (["try", "bowl.toml", "x=7"], "x"),
        (["log", "bowl.toml"], "Give a trial's number"),
        (["tell", "bowl.toml"], "Which trial?"),
    ],
)
def test_wrong_use_is_one_sentence(cli: Run, words: list[str], message: str) -> None:
    code, out, err = cli(*words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize("words", [["run", "nothing.toml", "--debug"], ["--debug", "run", "nothing.toml"]])
def test_debug_adds_the_traceback_to_the_sentence(cli: Run, words: list[str]) -> None:
    code, _, err = cli(*words)
    assert code == 2
    assert err.startswith("Traceback (most recent call last):")
    assert err.splitlines()[-1] == "trimtab: There is no nothing.toml. Known: bowl.toml."


def test_the_first_trials_that_all_fail_stop_the_study(cli: Run, here: Path) -> None:
    (here / "bowl.py").write_text("def objective(trial):\n    return undefined_name\n")
    code, _, err = cli("run", "bowl.toml")
    assert code == 1
    assert "The first 3 trials all failed in the same place, so nothing more was started:" in err
    assert "NameError: name 'undefined_name' is not defined" in err
    assert "Traceback" not in err
    (here / "bowl.py").write_text("def objective(trial):\n    return trial['x'] ** 2\n")
    code, out, _ = cli("run", "bowl.toml")  # mended: the same three are tried first
    assert code == 0
    assert "bowl: 4 trials" in out
    assert all(t.state == "finished" for t in tt.load(here / "bowl.db").trials)


def test_a_storage_that_cannot_be_opened(cli: Run, here: Path) -> None:
    (here / "bowl.db").write_text("this is no database, but it is long enough to look like a file" * 40)
    code, _, err = cli("run", "bowl.toml")
    assert code == 4
    assert "is not a study file" in err


def test_no_study_here_and_several(cli: Run, here: Path) -> None:
    (here / "other.toml").write_text(TOML.replace("bowl", "other"))
    assert "There are 2 study files here: bowl.toml, other.toml." in cli("show")[2]
    for file in here.glob("*.toml"):
        file.unlink()
    assert "There is no study here." in cli("show")[2]


def test_try_draws_what_nobody_said_and_says_so(cli: Run, here: Path) -> None:
    file = here / "bowl.toml"
    file.write_text(TOML.replace(" default=0.5", "").replace(', default = "a"', ""))
    code, out, err = cli("try", "bowl.toml", "kind=b")
    assert code == 0
    assert re.fullmatch(r"drawn, as nobody said: x -?\d\.\d+\n", err)
    assert out.startswith("returned ")
    assert cli("try", "bowl.toml", "kind=b")[1] == out  # the same every time
    assert cli("try", "bowl.toml", "kind=b", "x=0.5") == (0, "returned 0.25\n", "")
    file.write_text(TOML.replace("[run]", '[rules]\nrequire = ["x > 2"]\n[run]'))
    code, _, err = cli("try", "bowl.toml")
    assert (code, err.count("\n")) == (2, 1)
    assert "x > 2" in err


@pytest.mark.parametrize("searcher", ["random", "auto", "sobol"])
def test_a_dry_run_shows_what_one_worker_will_try(cli: Run, here: Path, searcher: str) -> None:
    (here / "bowl.toml").write_text(TOML.replace('"random"', f'"{searcher}"'))
    shown = [row["config"] for row in json.loads(cli("run", "bowl.toml", "--dry-run", "3", "--json")[1])]
    cli("run", "bowl.toml", "--trials", "3")
    assert [dict(t.config) for t in tt.load(here / "bowl.db").trials] == shown


def test_show_says_the_command_that_goes_on(cli: Run) -> None:
    cli("run", "bowl.toml", "--trials", "2")
    assert re.search(r"trimtab run bowl\.toml( +go on)?$", cli("show", "bowl.toml")[1].rstrip())
    cli("run", "bowl.toml")
    assert "trimtab run bowl.toml --more 10" in cli("show", "bowl.toml")[1]


def test_a_run_may_be_bound_by_time_alone(cli: Run, here: Path) -> None:
    (here / "bowl.toml").write_text(TOML.replace("trials   = 4", ""))
    (here / "bowl.py").write_text("import time\ndef objective(trial):\n    time.sleep(0.05)\n    return 1.0\n")
    code, _, err = cli("run", "bowl.toml")
    assert (code, "how many trials? Give [run] trials = 60, or --trials 60, or a --timeout." in err) == (2, True)
    code, out, err = cli("run", "bowl.toml", "--timeout", "1")
    assert code == 0, err
    assert "stopped because: the time for this run is up" in out
    assert json.loads(cli("run", "bowl.toml", "--timeout", "1", "--json")[1])["trials"] is None


def test_what_the_file_does_not_lead_to_is_called_by_its_storage(cli: Run, here: Path) -> None:
    code, out, _ = cli("run", "bowl.toml", "--storage", "other.db", "--trials", "2")
    assert code == 0
    assert "trimtab show other.db " in out
    assert "bowl.toml" not in out
    code, out, _ = cli("run", "bowl.toml", "--name", 'with "quotes"', "--trials", "2")
    assert code == 0
    assert [s["name"] for s in tt.studies(here / "bowl.db")] == ['with "quotes"']
