"""Programs as objectives: real ones, started without a shell."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from trimtab.errors import MetricError, PlaceholderError
from trimtab.protocol import Run
from trimtab.run._metrics import Metric, read, summary
from trimtab.run._template import Template
from trimtab.run.command import Command
from trimtab.space import Bool, Choice, Float, Int, Space

ROOT = Path(__file__).parents[2]
SPACE = Space({
    "alpha": Float(0.1, 10), "threads": Int(1, 64), "mode": Choice(["fast", "safe"]), "simd": Bool(),
    "restart": Int(10, 1000, when="mode == 'safe'"),
})  # fmt: skip
CONFIG = {"alpha": 0.5, "threads": 4, "mode": "fast", "simd": True}


def a_run(trial: int = 4, **changes: Any) -> Run:
    return Run(**{"trial": trial, "attempt": 1, "config": CONFIG, "seed": 5, "until": math.inf, **changes})


def finish(runner: Command, n: int = 1, seconds: float = 30.0) -> list[Any]:
    events: list[Any] = []
    end = time.monotonic() + seconds
    while sum(e.kind == "ended" for e in events) < n:
        assert time.monotonic() < end, f"only {events}"
        events += runner.collect(1.0)
    return events


def one(command: list[Any], run: Run | None = None, **settings: Any) -> dict[str, Any]:
    runner = Command(command, SPACE, **settings)
    runner.submit(run or a_run())
    try:
        return dict(finish(runner)[-1].body)
    finally:
        runner.close()


def shell(script: str, *more: str) -> list[str]:
    return ["/bin/sh", "-c", script.replace("{", "{{").replace("}", "}}"), "sh", *more]


def python(code: str, *more: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code).replace("{", "{{").replace("}", "}}"), *more]


# the command line


def test_the_command_line_of_a_configuration():
    command = ["./solver", "--alpha={alpha}", "--mode", "{mode}", ["--restart", "{restart}"], "{simd?--simd}", "{{x}}"]
    template = Template.parse(command, SPACE.names)
    fast = template.render(CONFIG, {})
    assert fast == ["./solver", "--alpha=0.5", "--mode", "fast", "--simd", "{x}"]
    safe = template.render(CONFIG | {"mode": "safe", "restart": 10, "simd": False}, {})
    assert safe == ["./solver", "--alpha=0.5", "--mode", "safe", "--restart", "10", "{x}"]
    assert Template.parse(["p", "{args}"], SPACE.names).render({"simd": True, "alpha": 1e-5}, {}) == [
        "p", "--simd", "true", "--alpha", "1e-05"
    ]  # fmt: skip


def test_built_in_placeholders_and_what_is_not_there_is_left_out():
    template = Template.parse(
        ["p", "{trial}", "{seed}", ["--resume", "{checkpoint}"], "--epochs={budget}", "{dir}"], ()
    )
    known = {"trial": 3, "seed": 9, "dir": "/r/003", "budget": None, "checkpoint": None}
    assert template.render({}, known) == ["p", "3", "9", "/r/003"]
    assert template.render({}, known | {"budget": 9, "checkpoint": "/c"}) == [
        "p", "3", "9", "--resume", "/c", "--epochs=9", "/r/003"
    ]  # fmt: skip


def test_unknown_placeholders_are_named():
    with pytest.raises(PlaceholderError) as error:
        Template.parse(["./solver", "--alpha={aplha}"], SPACE.names, "solver.toml, run.command")
    assert str(error.value) == (
        'solver.toml, run.command: "{aplha}" is not a parameter. Did you mean "{alpha}"? Also known: {args} {trial} '
        "{seed} {budget} {dir} {checkpoint}. A literal brace is written {{."
    )
    with pytest.raises(PlaceholderError, match=r"a lone \{\. A literal brace is written \{\{"):
        Template.parse(["p", "{alpha"], SPACE.names)
    with pytest.raises(PlaceholderError, match="it stands alone"):
        Template.parse(["p", "x={args}"], SPACE.names)
    with pytest.raises(PlaceholderError, match="each argument apart"):
        Template.parse("./solver {alpha}", SPACE.names)


def test_values_reach_the_program_as_they_stand(tmp_path):
    nasty = "$(touch owned); `id` && 'x' \"y\" * \n -rf"
    space = Space({"text": Choice([nasty, "plain"])})
    code = "import sys, json; print(json.dumps(dict(n=len(sys.argv), same=float(sys.argv[1] == sys.argv[2]))))"
    runner = Command([sys.executable, "-c", code, "{text}", nasty.replace("{", "{{")], space, cwd=tmp_path)
    runner.submit(a_run(config={"text": nasty}))
    assert finish(runner)[-1].body["returned"]["same"] == 1.0
    assert list(tmp_path.iterdir()) == []
    assert runner.preview({"text": "a b"}).endswith("'a b' '" + nasty.replace("'", "'\"'\"'") + "'")
    runner.close()


def test_a_missing_program_is_told_before_any_trial(tmp_path):
    with pytest.raises(PlaceholderError, match="there is no program 'no-such-program' on PATH"):
        Command(["no-such-program"], SPACE)
    with pytest.raises(PlaceholderError, match=r"no program './solver' in "):
        Command(["./solver"], SPACE, base=tmp_path)
    (tmp_path / "solver").write_text("#!/bin/sh\necho 1\n")
    with pytest.raises(PlaceholderError, match=r"not executable\. Type: chmod \+x "):
        Command(["./solver"], SPACE, base=tmp_path)
    (tmp_path / "solver").chmod(0o755)
    body = one(["./solver"], base=tmp_path, cwd="{dir}", folder=tmp_path / "runs", objectives=["loss"])
    assert body["returned"]["loss"] == 1.0


# metrics


def test_a_program_finds_its_values_and_is_measured(tmp_path):
    code = """
        import json, os
        config = json.load(open(os.environ["TRIMTAB_CONFIG"]))
        assert config["alpha"] == 0.5 and os.environ["TRIMTAB_P_mode"] == "fast"
        assert os.environ["TRIMTAB_TRIAL"] == "4" and os.environ["EXTRA"] == "yes"
        data = bytearray(60_000_000)
        sum(range(2_000_000))
        print("final gap = 9\\nfinal gap = 0.25\\ndone")
    """
    body = one(python(code), metrics={"gap": r"regex:final gap = (\S+)"}, folder=tmp_path, env={"EXTRA": "yes"})
    assert body["state"] == "finished", body
    values = body["returned"]
    assert list(values) == ["time", "cpu", "memory", "exit", "gap"]
    assert (values["gap"], values["exit"]) == (0.25, 0.0)
    assert values["time"] > 0
    assert 0 < values["cpu"] < 10
    assert 60 < values["memory"] < 200
    assert body["cost"]["seconds"] >= values["time"]
    assert (tmp_path / "004/stdout").read_text().startswith("final gap")


def test_memory_is_the_programs_own():
    ballast = bytearray(150_000_000)
    values = one(shell("true"))["returned"]
    assert values["memory"] < 40, len(ballast)


def test_metrics_from_files_and_json(tmp_path):
    script = 'echo \'{"a": {"b": 3}}\' > out.json; echo 7 > plain; echo log\n'
    script += 'echo \'{"q": {"gap": 0.5}, "loss": 2, "s": "x"}\''
    metrics = {"deep": "file:out.json#a.b", "plain": "file:plain", "gap": "json:q.gap"}
    values = one(shell(script), metrics=metrics, cwd="{dir}", folder=tmp_path)["returned"]
    assert (values["deep"], values["plain"], values["gap"], values["loss"]) == (3.0, 7.0, 0.5, 2.0)
    assert "s" not in values


def test_a_last_line_that_is_a_number_is_the_missing_objective():
    assert one(shell("echo hello; echo 0.31"), objectives=["loss"])["returned"]["loss"] == 0.31
    assert one(shell("echo 0.31"), objectives=["time", "loss"])["returned"]["loss"] == 0.31
    assert one(shell("echo 0.31"))["returned"]["value"] == 0.31


def test_a_metric_that_is_not_there():
    output = "\n".join(f"line {i}" for i in range(211)) + "\ndone in 3.1 s\n"
    with pytest.raises(MetricError) as error:
        read(
            [Metric.parse("gap", r"regex:final gap\s*=\s*(\S+)")],
            [],
            output,
            Path(),
            {},
            "Trial 4: ./solver ended with exit code 0",
        )
    assert str(error.value) == (
        'Trial 4: ./solver ended with exit code 0 but gave no "gap". '
        "Looked for regex 'final gap\\s*=\\s*(\\S+)' "
        'in 212 lines of output. Last line: "done in 3.1 s"'
    )
    body = one(shell("echo 0.3 0.4"), objectives=["loss"], log="trimtab log solver.toml")
    assert body["error"]["kind"] == "MetricError"
    assert 'gave no "loss"' in body["error"]["text"]
    assert body["error"]["text"].endswith("    0.3 0.4. See: trimtab log solver.toml 4")
    assert one(shell("echo nan"), objectives=["loss"])["error"]["kind"] == "NonFinite"
    for bad in ["gap", "regex:(", "regex:no group"]:
        with pytest.raises(MetricError, match='metric "gap"'):
            Metric.parse("gap", bad)


def test_repeats_give_mean_and_spread(tmp_path):
    script = f"echo x >> {tmp_path}/n; wc -l < {tmp_path}/n; echo $TRIMTAB_SEED >> {tmp_path}/seeds"
    body = one(shell(script), objectives=["loss"], repeats=3)
    assert body["returned"]["loss"] == 2.0
    assert body["sem"]["loss"] == pytest.approx(1 / math.sqrt(3))
    assert len(set((tmp_path / "seeds").read_text().split())) == 3
    assert summary([{"a": 1.0}]) == ({"a": 1.0}, {})


# endings


def test_failures_are_told_apart():
    body = one(shell("echo first >&2; echo no such file >&2; exit 3"))
    assert (body["state"], body["error"]["kind"]) == ("failed", "exit")
    assert body["error"]["text"] == "/bin/sh ended with exit code 3. Its last words:\nfirst\nno such file"
    body = one(shell("kill -9 $$"))
    assert (body["state"], body["error"]["kind"]) == ("lost", "killed")
    body = one(shell("kill -SEGV $$"))
    assert (body["state"], "SIGSEGV" in body["error"]["text"]) == ("failed", True)


def test_a_time_out_ends_the_program_and_its_children(tmp_path):
    started = time.monotonic()
    body = one(
        shell("sleep 50 & echo $!; trap '' TERM; sleep 50; sleep 50"), trial_timeout=0.3, grace=0.2, folder=tmp_path
    )
    assert time.monotonic() - started < 10
    assert (body["state"], body["error"]["kind"]) == ("failed", "timeout")
    pid = int((tmp_path / "004/stdout").read_text())
    assert not Path(f"/proc/{pid}/stat").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_many_at_once():
    runner = Command(shell("sleep 0.7; echo 1"), SPACE, workers=4, objectives=["loss"])
    started = time.monotonic()
    for trial in range(4):
        runner.submit(a_run(trial))
    assert runner.free() == 0
    events = finish(runner, 4)
    assert time.monotonic() - started < 2.5  # one after the other would take 2.8 s
    assert {e.trial for e in events} == {0, 1, 2, 3}
    runner.close()


def test_reports_of_any_program_and_an_early_stop(tmp_path):
    script = 'for i in 1 2 3 4; do echo "{\\"loss\\": $i}" >> $TRIMTAB_REPORTS; done; sleep 50'
    runner = Command(shell(script), SPACE, folder=tmp_path)
    runner.submit(a_run(until=3, budget=9))
    events: list[Any] = []
    while not any(e.kind == "reported" and 4 in e.body["step"] for e in events):
        events += runner.collect(5.0)
    assert [s for e in events for s in e.body["step"]] == [1, 2, 3, 4]
    assert events[0].body["metrics"]["loss"][0] == 1.0
    runner.send(4, 1, {"go": "stop"})
    body = finish(runner)[-1].body
    assert (body["state"], body["step"]) == ("stopped", 4)
    runner.close()


def test_an_unasked_pause_does_not_hurt_a_program_that_cannot_hear():
    runner = Command(shell("sleep 0.3; echo 1"), SPACE, objectives=["loss"])
    runner.submit(a_run())
    runner.interrupt("pause")
    assert finish(runner)[-1].body["state"] == "finished"
    runner.submit(a_run(5))
    runner.send(5, 1, {"go": "cancel"})
    assert finish(runner)[-1].body["state"] == "cancelled"
    runner.close()


def test_a_wrong_report_fails_the_trial():
    body = one(shell("echo oops >> $TRIMTAB_REPORTS; sleep 50"))
    assert (body["state"], body["error"]["kind"]) == ("failed", "ReportError")
    body = one(shell('echo \'{"loss": "x"}\' >> $TRIMTAB_REPORTS; sleep 50'))
    assert body["state"] == "failed"


TRAINING = """
    import sys
    sys.path.insert(0, %r)
    from trimtab.run.current import current_trial

    trial = current_trial(default={"alpha": 1.0}, budget=3)
    trial.note(rank="first")
    for step in trial.steps():
        with trial.save_checkpoint() as folder:
            (folder / "net").write_text(str(step))
        trial.report(loss=trial["alpha"] / step)
    print("steps", step, flush=True)
"""


def test_current_trial_hears_verdicts(tmp_path):
    runner = Command(python(TRAINING % str(ROOT)), SPACE, folder=tmp_path)
    runner.submit(a_run(until=1, budget=9, checkpoint=str(tmp_path / "ck/4/1")))
    events: list[Any] = []
    answered = 0
    while not any(e.kind == "ended" for e in events):
        events += runner.collect(5.0)
        steps = [s for e in events if e.kind == "reported" for s in e.body["step"]]
        if len(steps) == 1 and answered == 0:
            answered = 1
            runner.send(4, 1, {"go": "on", "until": 3})
        elif len(steps) == 3 and answered == 1:
            answered = 2
            runner.send(4, 1, {"go": "pause"})
    assert steps == [1, 2, 3]
    body = events[-1].body
    assert (body["state"], body["step"], body["notes"]) == ("paused", 3, {"rank": "first"})
    assert [e.body["step"] for e in events if e.kind == "saved"] == [1, 2, 3]
    assert (tmp_path / "ck/4/1/3/net").read_text() == "3"
    runner.close()


def test_current_trial_finishes_with_what_it_reported(tmp_path):
    body = one(python(TRAINING % str(ROOT)), a_run(budget=2), folder=tmp_path, objectives=["loss"])
    assert (body["state"], body["step"]) == ("finished", 2)
    assert "loss" not in body["returned"]


def test_current_trial_without_a_study_prints(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRIMTAB_")}
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(TRAINING % str(ROOT))],
        env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == "step 1   loss 1\nstep 2   loss 0.5\nstep 3   loss 0.333333\nsteps 3\n"


def test_one_run_in_the_foreground(tmp_path, capfd):
    runner = Command(python(TRAINING % str(ROOT)), SPACE, folder=tmp_path / "runs")
    assert runner.foreground(CONFIG) == 0
    assert capfd.readouterr().out.startswith("step 1   loss 0.5\n")
    assert Command(["/bin/sh", "-c", "exit {threads}"], SPACE).foreground(CONFIG) == 4
    assert not (tmp_path / "runs").exists()


def test_other_ranks_only_read(tmp_path):
    folder = tmp_path / "004"
    folder.mkdir()
    run = {k: getattr(a_run(until=1, budget=9), k) for k in Run.__slots__}
    (folder / "run.json").write_text(json.dumps(run, default=dict))
    (folder / "messages.jsonl").write_text('{"go": "stop", "answers": true}\n')  # not for them: the first says when
    (folder / "stops-0").write_text("..s")
    code = "\n".join(line for line in TRAINING.splitlines() if "folder" not in line) % str(ROOT)
    env = os.environ | {"TRIMTAB_DIR": str(folder), "RANK": "1"}
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=env, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert said.stdout == "steps 2\n"
    assert not (folder / "reports.jsonl").exists()
