"""An engineer with a program: day 1, day 7, day 30. All in a shell, with a C program where there is a compiler."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import trimtab as tt

sys.path.insert(0, str(Path(__file__).parent))
from story_kit import sh, shell_environment

SOLVER = r"""
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
    double alpha = 1; int threads = 4, simd = 0, restart = 0;
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "--alpha=", 8)) alpha = atof(argv[i] + 8);
        if (!strcmp(argv[i], "--threads")) threads = atoi(argv[++i]);
        if (!strcmp(argv[i], "--restart")) restart = atoi(argv[++i]);
        if (!strcmp(argv[i], "--simd")) simd = 1;
    }
    if (alpha > 5) { fprintf(stderr, "matrix is singular\n"); abort(); }
    double cost = 2 + pow(log10(alpha / 0.6), 2) + fabs(threads - 12) / 20.0;
    cost += restart ? fabs(restart - 80) / 400 : 0.3;
    printf("final cost = %.6f\nfinal gap = %.6f\n", simd ? 0.8 * cost : cost, 0.0005 * threads);
}
"""

SHELL = r"""
alpha=1 threads=4 simd= restart=
while [ $# -gt 0 ]; do case $1 in
  --alpha=*) alpha=${1#--alpha=} ;; --threads) threads=$2; shift ;; --restart) restart=$2; shift ;; --simd) simd=1 ;;
esac; shift; done
awk -v a="$alpha" -v t="$threads" -v s="$simd" -v r="$restart" 'BEGIN {
  if (a > 5) { print "matrix is singular" > "/dev/stderr"; exit 134 }
  c = 2 + (log(a / 0.6) / log(10))^2 + (t > 12 ? t - 12 : 12 - t) / 20
  c += r == "" ? 0.3 : (r > 80 ? r - 80 : 80 - r) / 400
  printf "final cost = %.6f\nfinal gap = %.6f\n", s ? 0.8 * c : c, 0.0005 * t }'
"""

STUDY = r"""
name        = "solver"
minimize    = "cost"
constraints = ["gap <= 0.008"]
storage     = "solver.db"
seed        = 2

[space]
alpha   = "0.1..10.0 log default=1.0"
threads = "1..32 default=4"
mode    = { type = "choice", choices = ["fast", "safe"], default = "fast" }
simd    = { type = "bool", default = false }
restart = { type = "int", low = 10, high = 1000, log = true, default = 100, when = "mode == 'safe'" }

[run]
command = ["./solver", "--alpha={alpha}", "--threads", "{threads}", ["--restart", "{restart}"], "{simd?--simd}"]
trials  = 14

[run.metrics]
cost = 'regex:final cost = (\S+)'
gap  = 'regex:final gap = (\S+)'
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler:
        (tmp_path / "solver.c").write_text(SOLVER)
        subprocess.run([compiler, "-o", "solver", "solver.c", "-lm"], cwd=tmp_path, check=True)
    else:
        (tmp_path / "solver").write_text("#!/bin/sh\n" + SHELL)
        (tmp_path / "solver").chmod(0o755)
    (tmp_path / "solver.toml").write_text(STUDY)
    return tmp_path


def test_day_1(desk: Path) -> None:
    first = sh("trimtab init -- ./solver --alpha 1.0 --threads 4", desk)
    assert "alpha" in first
    assert "threads" in first
    (desk / "first.toml").write_text(first)
    sh("trimtab run first.toml --dry-run 1", desk)
    shown = sh("trimtab run solver.toml --dry-run 3", desk)
    assert shown.splitlines()[0] == "./solver --alpha=1.0 --threads 4"  # restart is inactive, simd is off
    assert not (desk / "solver.db").exists()
    tried = sh("trimtab try solver.toml alpha=0.6 threads=12", desk)
    assert "final cost = 2.300000" in tried
    said = sh("trimtab run solver.toml", desk)
    assert "solver: 14 trials in " in said
    assert "default" in said
    study = tt.load(desk / "solver.db")
    assert len(study) == 14
    assert study.best.feasible
    assert study.best.value <= study.trial(0).value
    study.close()
    assert "solver: done — 14 of 14 trials" in sh("trimtab run solver.toml", desk)


def test_day_7(desk: Path) -> None:
    """Crashes, retry, another option of the solver, corrections; and her own loop in a shell."""
    (desk / "solver.toml").write_text(STUDY + "\n[[run.enqueue]]\nalpha = 8.0\n")
    sh("trimtab run solver.toml --trials 8", desk)
    study = tt.load(desk / "solver.db")
    wild = next(t.number for t in study.trials if t.config["alpha"] == 8.0)
    assert study.trial(wild).state == "failed"
    study.close()
    assert f"{wild}" in sh("trimtab show solver.toml --failures", desk)
    assert "matrix is singular" in sh(f"trimtab log solver.toml {wild}", desk)
    (desk / "solver").rename(desk / "solver.old")
    (desk / "solver").write_text('#!/bin/sh\nexec ./solver.old "$@" --alpha=0.5\n')  # mended: it is robust now
    (desk / "solver").chmod(0o755)
    sh("trimtab retry solver.toml", desk)
    sh("trimtab run solver.toml --trials 8", desk)
    study = tt.load(desk / "solver.db")
    assert study.counts["failed"] == 0
    assert study.trial(wild).attempts == 2
    study.close()

    sh("trimtab correct solver.toml 2 cost=9.5 --reason 'during the backup'", desk)
    sh("trimtab invalidate solver.toml 3 --reason 'wrong input'", desk)
    told = json.loads(sh("trimtab show solver.toml --json", desk))
    assert told["counts"]["invalid"] == 1
    assert "9.5" in sh("trimtab show solver.toml 2", desk)
    sh("trimtab restore solver.toml 3", desk)

    loop = """
eval "$(trimtab ask solver.toml --format env)"
cost=$(./solver --alpha="$alpha" --threads "$threads" | sed -n 's/final cost = //p')
trimtab tell solver.toml "$TRIAL" cost="$cost" gap=0.002
echo "$TRIAL"
"""
    number = int(sh(loop, desk).splitlines()[-1])
    study = tt.load(desk / "solver.db")
    assert study.trial(number).state == "finished"
    assert study.trial(number).feasible
    study.close()


def test_killed_in_the_middle(desk: Path) -> None:
    """kill -9 to the whole group, as a power cut on the desk; the same line goes on."""
    (desk / "slow").write_text('#!/bin/sh\nsleep 0.2\nexec ./solver "$@"\n')
    (desk / "slow").chmod(0o755)
    (desk / "solver.toml").write_text(STUDY.replace('"./solver"', '"./slow"'))
    words = [sys.executable, "-m", "trimtab", "run", "solver.toml"]
    run = subprocess.Popen(
        words, cwd=desk, env=shell_environment(desk), start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 200
    while not (desk / "solver.runs" / "003").exists():
        assert time.monotonic() < until
        assert run.poll() is None
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    (desk / "solver.toml").write_text(STUDY)
    sh("trimtab run solver.toml", desk)
    study = tt.load(desk / "solver.db")
    assert len(study) == 14
    assert study.counts["running"] == study.counts["lost"] == 0 if "lost" in study.counts else True
    assert {t.state for t in study.trials} <= {"finished", "failed"}
    study.close()


def test_day_30(desk: Path) -> None:
    sh("trimtab run solver.toml --trials 6", desk)
    (desk / "solver.toml").write_text(STUDY.replace("1..32", "1..64"))
    said = sh("trimtab run solver.toml --more 4", desk)
    assert "threads: " in said
    sh("trimtab run solver.toml --trials 12 & trimtab run solver.toml --trials 12; wait", desk)  # a second one joins
    study = tt.load(desk / "solver.db")
    assert len(study) == 12
    study.close()
    sh("trimtab export solver.toml -o trials.csv", desk)
    lines = sh("trimtab export solver.toml", desk)
    assert lines == (desk / "trials.csv").read_text()
    assert lines.startswith("number,state,value,")
    assert "came out the same" in sh("trimtab verify solver.toml", desk)
    assert "solver" in sh("trimtab show solver.toml --toml", desk)
    sh("trimtab show nowhere.toml", desk, code=2)
    sh("trimtab run -p alpha=0.1..4:log --metric 'cost=regex:final cost = (\\S+)' --minimize cost --trials 3 "
       "--name quick --save quick.toml -- ./solver {args}", desk)  # fmt: skip
    assert "quick" in sh("trimtab list quick.toml", desk)
