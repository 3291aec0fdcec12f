"""The table of workers: what is in it, and that it is the same each time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from trimtab.bench.scale import FEWER, Scale, once, peak, scale, table
from trimtab.errors import TrimtabError, UnknownName


def bare(line: Scale) -> Scale:
    return replace(line, seconds=1.0, memory=0.0, before=0.0)


def test_one_worker_never_waits() -> None:
    line = once(1, 200)
    assert (line.trials, line.decisions) == (200, 200)
    assert line.utilisation == line.steady == 1.0
    assert line.events >= 400  # a start and an end each
    assert line.makespan == pytest.approx(200 * 1.65, rel=0.3)


@pytest.mark.parametrize("optimizer", ["random", "asha+random"])
def test_many_workers_are_kept_busy_while_there_is_work(optimizer: str) -> None:
    line = once(50, 400, optimizer)
    assert line.trials == 400
    assert line.steady == 1.0
    assert 0.1 < line.utilisation < 1.0
    assert bare(once(50, 400, optimizer)) == bare(line)


def test_those_who_wait_for_a_rung_show() -> None:
    assert once(20, 100, "halving+random").steady < 1.0


def test_each_line_has_a_process_of_its_own() -> None:
    lines = list(scale((1, 8), 60))
    assert [line.workers for line in lines] == [1, 8]
    assert bare(lines[1]) == bare(replace(once(8, 60), asked=60))
    assert 10 < lines[0].before <= lines[0].memory < 1000
    assert json.loads(json.dumps(lines[0].to_json()))["events_a_second"] > 0


def test_the_table_says_what_was_reduced() -> None:
    line = Scale("gp", 10, 100_000, FEWER["gp"], 0.5, 1.0, 12.34, 400, 200, 2.0, 80.0, 60.0)
    assert table([line]).splitlines() == [
        "gp: 100,000 trials of log-normal times, in memory",
        "(only 200: a suggestion of gp costs more)",
        "workers  utilisation  steady  decisions/s  events/s    memory    makespan       CPU",
        "     10        50.0%  100.0%          100       200     80 MB        12 s     2.0 s",
    ]


def test_what_can_not_be_is_refused() -> None:
    with pytest.raises(TrimtabError, match="at least 1"):
        next(scale((0, 1), 10))
    with pytest.raises(UnknownName, match="No optimizer is called 'gess'"):
        next(scale((1,), 10, "gess"))
    with pytest.raises(TrimtabError, match="another package's"):
        next(scale((1,), 10, "optuna-tpe"))
    assert peak() > 10


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "trials"), [("random", 50_000), ("asha+random", 13_000)])
def test_a_hundred_thousand_events_take_seconds(optimizer: str, trials: int) -> None:
    line = once(8, trials, optimizer)
    assert line.events > 95_000
    assert line.seconds * 100_000 / line.events < 20  # 8 on the machine it was written on, with others at work
