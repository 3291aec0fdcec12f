"""What a run was made with."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np

from trimtab.run import environment
from trimtab.run.environment import fingerprint, short_hash


def test_the_fingerprint_is_json_and_holds_no_environment(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "t0ps3cret")
    argv = ["x.py", "postgresql://me:t0ps3cret@host/db", "--token", "t0ps3cret", "--api-key=t0ps3cret", "lr=3"]
    monkeypatch.setattr(sys, "argv", argv)
    told = fingerprint()
    text = json.dumps(told)
    assert "t0ps3cret" not in text
    assert told["argv"] == ["x.py", "postgresql://me:***@host/db", "--token", "***", "--api-key=***", "lr=3"]
    assert told["numpy"] == np.__version__
    assert len(told["blas"]) > 3
    assert told["cpu"]


def test_the_hash_covers_arithmetic_only(monkeypatch):
    told = fingerprint()
    assert short_hash(told) == short_hash(told | {"host": "other", "argv": ["y.py"], "commit": "0" * 40})
    assert short_hash(told) == short_hash(json.loads(json.dumps(told)))
    assert short_hash(told) != short_hash(told | {"numpy": "0.1"})
    assert len(short_hash(told)) == 12


def test_the_commit_of_the_script(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True).stdout

    script = tmp_path / "train.py"
    script.write_text("1\n")
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert "commit" not in fingerprint()
    git("init", "-q")
    git("add", "train.py")
    git("commit", "-q", "-m", "one")
    told = fingerprint()
    assert (told["commit"], told["dirty"]) == (git("rev-parse", "HEAD").strip(), False)
    script.write_text("2\n")
    assert fingerprint()["dirty"] is True
    monkeypatch.setattr(environment, "GIT_SECONDS", 0.0)
    assert "commit" not in fingerprint()
    assert os.environ.get("GIT_OPTIONAL_LOCKS") is None
