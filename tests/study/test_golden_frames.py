"""The live display in every situation a user can meet, at 60, 80 and 120 columns, and as lines of a log file.

The pictures are files under golden/frames; golden/README.md says how to renew them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf

import pytest

from trimtab.study._frame import Drain, Heading, Moment, frame
from trimtab.study._lines import Lines
from trimtab.study._status import Status
from trimtab.study._text import cells, clean

Golden = Callable[[str, str], None]

HEAD = Heading("digits", "tpe · asha", "digits.db", 60)
NOTHING = Status(0, 0, 0, 0, 0, 0, 0, 0, 0, objective="accuracy")
NOW = Status(
    counted=36, ended=34, running=2, paused=0, queued=0, finished=27, stopped=6, failed=1, invalid=0,
    failures=(("MemoryError", 1),), objective="accuracy", best=29, value="0.9861", sem="0.0021", default=0,
    default_value="0.9633", config="model=svm  C=12.6  gamma=0.0021", steps=True,
)  # fmt: skip
AT = Moment(elapsed=192, done=34)
CLOSED = replace(NOW, counted=60, ended=60, running=0, finished=49, stopped=10)
SEVERAL = replace(
    NOW, objective="", best=None, value="", sem="", default=None, default_value="", config="", failed=0, failures=(),
    front=("7 trials", "hypervolume 0.812", "error 0.04 … 0.11", "latency 3.1 … 19"),
)  # fmt: skip
PAUSED = Drain("paused", 2, steps=True)
NASTY = clean("\x1b[31mred\x1b[0m\x1b]0;title\x07 \u202eesrever\u202c\nl\u0456ne\ttwo")

CASES: dict[str, tuple[Heading, Status, Moment]] = {
    "fresh": (HEAD, replace(NOTHING, counted=2, running=2, queued=1), Moment(0.4)),
    "running": (HEAD, NOW, AT),
    "no default": (HEAD, replace(NOW, default=None), AT),
    "the default is best": (HEAD, replace(NOW, best=0), AT),
    "outside the present space": (HEAD, replace(NOW, outside=True), AT),
    "several objectives": (HEAD, SEVERAL, AT),
    "several objectives, three trials": (HEAD, replace(SEVERAL, front=("1 trial", "error 0.04", "latency 3.1")), AT),
    "feasible": (HEAD, replace(NOW, limits="memory 6.2 <= 8"), AT),
    "none feasible": (
        HEAD,
        replace(NOW, best=None, default=None, note='none feasible yet (31 trials break "memory <= 8", closest 8.4)'),
        AT,
    ),
    "failures": (
        HEAD,
        replace(NOW, finished=3, stopped=0, failed=31,
                failures=(("ValueError", 20), ("time-out", 9), ("OutOfMemoryError", 2))),
        AT,
    ),
    "paused by the scheduler": (HEAD, replace(NOW, paused=9, finished=18), AT),
    "two drivers": (HEAD, replace(NOW, running=6, elsewhere="4 here, 2 on node3"), AT),
    "asked by hand": (HEAD, replace(NOW, running=3, elsewhere="2 here, 1 asked by hand"), AT),
    "no total": (replace(HEAD, total=None), NOW, AT),
    "no total, a time": (replace(HEAD, total=None), NOW, replace(AT, left=3 * 3600)),
    "the time is up before": (HEAD, NOW, replace(AT, left=61)),
    "slow": (HEAD, replace(NOW, ended=3, counted=5, finished=3, stopped=0, failed=0), Moment(7 * 3600 + 150, 3)),
    "many": (
        replace(HEAD, total=10_000),
        replace(NOW, counted=9_990, ended=9_984, running=6, finished=8_000, stopped=1_900, failed=84, best=7_321),
        Moment(98_765, 9_984),
    ),
    "huge values": (HEAD, replace(NOW, objective="cost", value="1.23457e+12", default_value="9.87654e+300"), AT),
    "long names": (
        Heading("a-study-whose-name-says-everything-about-what-was-tried-in-it", "tpe · hyperband",
                "/scratch/project_462000/experiments/2026-11/resnet50/runs.db", 60),
        replace(NOW, objective="validation/top5_accuracy_after_ema_and_test_time_augmentation",
                config="optimizer.schedule.warmup_fraction_of_all_steps=0.0312  weight_decay=0.0001"),
        AT,
    ),
    "wide signs": (
        Heading("数字认识", "tpe", "実験.db", 60),
        replace(NOW, objective="精度", config="模型=支持向量机  学习率=0.001  café=naïve  👍=🚀"),
        AT,
    ),
    "right to left": (Heading("ספרות", "tpe", "ספרות.db", 60), replace(NOW, objective="דיוק"), AT),
    "hostile names": (
        Heading(NASTY, "tpe", "x.db", 60),
        replace(NOW, objective=clean("\x1b[2Jacc\rx"), config=f"a={NASTY}"),
        AT,
    ),
    "pausing": (HEAD, NOW, replace(AT, drain=PAUSED)),
    "pausing, one": (HEAD, replace(NOW, running=1), replace(AT, drain=replace(PAUSED, trials=1))),
    "pausing, no steps": (HEAD, NOW, replace(AT, drain=replace(PAUSED, steps=False, wait=90.0))),
    "pausing, no steps, no grace": (HEAD, NOW, replace(AT, drain=replace(PAUSED, steps=False))),
    "pausing, steps unknown": (HEAD, NOW, replace(AT, drain=replace(PAUSED, steps=None))),
    "pausing, programs": (HEAD, NOW, replace(AT, drain=replace(PAUSED, steps=None, programs=True, wait=90.0))),
    "pausing, nothing runs": (HEAD, replace(NOW, running=0), replace(AT, drain=replace(PAUSED, trials=0))),
    "second Ctrl-C": (HEAD, NOW, replace(AT, drain=replace(PAUSED, now=True))),
    "time-out": (HEAD, NOW, replace(AT, drain=Drain("the time for this run is up", 2, steps=True))),
    "stop rule": (
        HEAD, NOW, replace(AT, drain=Drain("target: accuracy 0.9861 reached 0.98", 2, told=False, steps=True)),
    ),
    "done": (HEAD, CLOSED, Moment(331, 60, over="done")),
    "done, in memory": (
        replace(HEAD, where="in memory", save='study.save("digits.db")'), CLOSED, Moment(331, 60, over="done"),
    ),
    "paused": (HEAD, replace(NOW, running=0, queued=2), replace(AT, over="paused")),
    "ended by a rule": (
        HEAD, replace(NOW, running=0), replace(AT, over="stopped: patience: no improvement in 30 trials"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_golden_frame(case: str, golden: Golden) -> None:
    head, now, at = CASES[case]
    pages = []
    for width in (60, 80, 120):
        lines = frame(head, now, at, width)
        assert len(lines) == 4
        assert all(cells(line) <= width for line in lines), [cells(line) for line in lines]
        assert all(line.isprintable() for line in lines)
        pages.append("\n".join([f"{width} {'─' * (width - len(str(width)) - 1)}", *lines]))
    golden(f"frames/{case.replace(',', '').replace(' ', '_')}", "\n".join(pages))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [20, 37, 200])
def test_a_frame_fits_any_width(case: str, width: int) -> None:
    head, now, at = CASES[case]
    assert all(cells(line) <= width for line in frame(head, now, at, width))


def test_golden_lines_of_a_log_file(golden: Golden) -> None:
    """A study that was resumed, improves, fails, is paused; told every quarter of a second."""
    lines = Lines(replace(HEAD, where="digits.db"))
    now = replace(NOW, counted=23, ended=21, finished=20, stopped=1, failed=0, best=14, value="0.9822", config="C=3.1")
    told = [(0.0, lines.first(now, Moment(0.0), 2))]
    for quarter in range(1, 1_200):
        t = quarter / 4
        if t == 34:
            now = replace(now, ended=27, best=24, value="0.9844", config="model=svm  C=40.1  gamma=0.0007")
        if t > 60 and quarter % 8 == 0:
            now = replace(now, ended=now.ended + (now.ended < 46))
        if t == 80:
            now = replace(now, failed=1)
        if t == 250:
            now = replace(now, best=45, value="0.9861", config="model=svm  C=12.6  gamma=0.0021")
        drain = PAUSED if t >= 270 else None
        text = lines.next(now, Moment(t, now.ended - 21, inf, drain))
        if text:
            told.append((t, text))
    told.append((300, lines.last(now, Moment(300, over="paused"))))
    noon = datetime(2026, 1, 1, 12, 3, 10)
    golden("frames/lines", "\n".join(f"{noon + timedelta(seconds=t):%H:%M:%S} digits: {text}" for t, text in told))


def test_golden_lines_of_a_front(golden: Golden) -> None:
    lines = Lines(replace(HEAD, total=None))
    told = [lines.first(replace(NOTHING, counted=4, running=4, objective=""), Moment(0.0), 4)]
    bigger = replace(SEVERAL, front=("9 trials", "hypervolume 0.871", "error 0.03 … 0.11", "latency 3.1 … 19"))
    for t, now in ((2.0, SEVERAL), (3.0, SEVERAL), (5.0, bigger), (70.0, replace(bigger, ended=50))):
        told.append(lines.next(now, Moment(t, 10)))
    told.append(lines.last(bigger, Moment(80, over="ended")))
    golden("frames/lines_of_a_front", "\n".join(filter(None, told)))


def test_five_thousand_improvements_are_no_flood() -> None:
    lines, told = Lines(replace(HEAD, total=5_000)), []
    lines.first(NOTHING, Moment(0.0), 1)
    for i in range(5_000):  # each trial better than the one before, 50 a second
        now = replace(NOW, ended=i + 1, best=i, value=f"{i}")
        told += filter(None, [lines.next(now, Moment(i / 50, i + 1))])
    assert 20 <= len(told) <= 100
    assert told[-1].startswith("49")  # what is told is the newest, not a backlog


def test_improvements_over_a_week_grow_with_the_logarithm_of_time() -> None:
    lines, said = Lines(HEAD), 0
    lines.first(NOTHING, Moment(0.0), 1)
    for t in range(0, 7 * 86_400, 10):  # an improvement every ten seconds
        said += bool(lines.next(replace(NOW, best=t), Moment(float(t), t)))
    assert said < 600
