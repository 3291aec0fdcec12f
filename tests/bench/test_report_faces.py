"""The report: what its table, its document and its page say of made-up results, and that names in it are only names."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trimtab.bench.report import Report, report
from trimtab.bench.report._colours import BASELINE, colour, dash
from trimtab.bench.report._words import between, listed, short, within
from trimtab.bench.report.collect import by_kind
from trimtab.bench.report.findings import from_json
from trimtab.bench.report.table import blocks, family_rows
from trimtab.errors import UnknownName

_spec = importlib.util.spec_from_file_location("_made_up_results", Path(__file__).parent / "_made_up_results.py")
assert _spec is not None
assert _spec.loader is not None
made_up: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made_up)

SCRIPT = "</script><script>alert(1)</script>"


TASKS = (*made_up.TASKS[:3], "yahpo/lcbench-3945", *made_up.TASKS[-2:])
FAST = ("random", "sobol", "gp", "tpe", "optuna-tpe", "smac-bb", "hebo", "hyperopt")


def bench(**more: Any) -> Any:
    """A few optimizers on a few tasks."""
    return made_up.results(TASKS, {name: made_up.SPEED[name] for name in FAST}, **more)


def two() -> Any:
    """gp and random search, on tasks with one goal."""
    return made_up.results(TASKS, {name: made_up.SPEED[name] for name in ("random", "gp")}, seeds=3, kinds=())


def told(results: Any, **more: Any) -> Report:
    return report(results, norms=made_up.norms(), task=made_up.task, **more)


@pytest.fixture(scope="module")
def whole() -> Report:
    return told(bench(), against="optuna-tpe", title="dev")


@pytest.fixture(scope="module")
def html(whole: Report) -> str:
    return whole.html()


# ── what is found ────────────────────────────────────────────────────────────────────────────────────────────────


def test_kinds_of_tasks_are_kept_apart(whole: Report) -> None:
    tracks = whole.findings.tracks
    assert list(tracks) == ["blackbox", "objectives", "steps"]
    assert tracks["blackbox"].tasks == tuple(sorted(TASKS))
    assert tracks["steps"].tasks == tuple(sorted(made_up.STEPS_TASKS))
    assert "yahpo/lcbench-3945" in tracks["blackbox"].tasks
    assert "yahpo/lcbench-3945" in tracks["steps"].tasks  # whole, and stopped early: two comparisons


def test_rows_stand_by_mean_rank_and_the_baseline_among_them(whole: Report) -> None:
    for track in whole.findings.tracks.values():
        ranks = [row.rank[0] for row in track.rows]
        assert ranks == sorted(ranks)
        assert "random" in track.methods
        assert sum(ranks) == pytest.approx(len(ranks) * (len(ranks) + 1) / 2)
    assert whole.findings.tracks["blackbox"].rows[0].method == "gp"  # made up to be the fastest


def test_every_estimate_lies_within_its_interval(whole: Report) -> None:
    for track in whole.findings.tracks.values():
        for row in track.rows:
            for value, low, high in (row.rank, *row.regret, row.versus_random, row.log_auc):
                assert low <= value <= high, row.method


def test_log_auc_is_the_area_up_to_the_last_budget() -> None:
    """Regret 1 up to the tenth of a hundred evaluations and 0 from there on: half of the log budget."""
    runs = [made_up.result("gp", TASKS[0], s, 100.0, 1.0) for s in range(3)]
    half = [replace(r, trace=((1.0, 3.0, 10.0), (10.0, 30.0, 2.0))) for r in runs]
    row = told(half).findings.tracks["blackbox"].rows[0]
    assert row.log_auc == pytest.approx((0.5, 0.5, 0.5))
    (short,) = told(half, budgets=[10]).findings.tracks["blackbox"].rows
    assert short.log_auc == pytest.approx((1.0, 1.0, 1.0))
    none = told(half, budgets=[1])
    assert none.findings.tracks["blackbox"].rows[0].log_auc == (None, None, None)
    assert "  log-AUC" not in none.text(80)


def test_evaluations_to_a_regret_are_expected_ones() -> None:
    """Three of four runs hit 0.1 at 20, one misses it in its hundred: (3 · 20 + 100) / 3. Nobody comes to 0.01."""
    runs = [made_up.result("gp", name, s, 100.0, 1.0) for name in TASKS[:3] for s in range(4)]
    steps = ((1.0, 3.0, 10.0), (20.0, 60.0, 2.4))
    found = told([replace(r, trace=steps if r.cell.seed else steps[:1]) for r in runs])
    near, far = found.findings.tracks["blackbox"].reach
    assert (near.method, near.target, near.share) == ("gp", 0.1, 0.75)
    value, low, high = near.evaluations
    assert value == pytest.approx(160 / 3)
    assert low == 20.0
    assert high is not None and high >= 2 * value  # noqa: PT018
    assert dict(near.tasks) == pytest.approx(dict.fromkeys(TASKS[:3], 160 / 3))
    assert (far.evaluations[0], far.share, set(far.tasks.values())) == (None, 0.0, {None})
    assert "∞<small>" in found.html()
    assert Report.from_json(json.dumps(found.to_json(), allow_nan=False)) == found


def test_what_is_expected_lies_within_its_interval(whole: Report) -> None:
    found = [one for track in whole.findings.tracks.values() for one in track.reach]
    assert {one.method for one in found} >= {"gp", "random", "asha+tpe"}
    for one in found:
        value, low, high = one.evaluations
        if value is not None and low is not None:
            assert low <= value <= (math.inf if high is None else high), one.method


def test_steps_are_told_at_shares_of_their_shorter_budget(whole: Report) -> None:
    track = whole.findings.tracks["steps"]
    assert track.budgets == (8.0, 15.0, 30.0)
    assert any("after 8, 15 and 30 instead of 25, 50 and 100" in note for note in track.notes)
    assert any("4 workers" in note for note in track.notes)
    assert "asha+tpe" in track.methods  # without "on 4 workers": all of them had as many


def test_several_goals_have_igd(whole: Report) -> None:
    rows = {row.method: row for row in whole.findings.tracks["objectives"].rows}
    assert rows["random"].igd[0] > rows["gp"].igd[0] > 0
    assert all(row.igd == (None, None, None) for row in whole.findings.tracks["blackbox"].rows)


def test_failures_refusals_and_absence_are_told_by_name(whole: Report) -> None:
    found = {(one.method, one.state): one for one in whole.findings.troubles}
    assert found["hyperopt", "crashed"].seeds == (0, 1, 2, 3, 4)
    assert found["vizier", "missing"].why == "google-vizier is not installed"
    assert ("hebo", "refused") in found
    row = next(row for row in whole.findings.tracks["blackbox"].rows if row.method == "hyperopt")
    assert row.failures == 5
    assert "vizier" not in whole.findings.tracks["blackbox"].methods
    assert any("Not run at all: vizier" in one for one in whole.findings.head.cautions)
    assert any("hebo: 3 seeds a task instead of 5" in one for one in whole.findings.head.cautions)


def test_who_skips_most_tasks_takes_none_from_the_others() -> None:
    results = bench(seeds=3, kinds=())
    results = [r for r in results if r.cell.optimizer != "smac-bb" or r.cell.task == TASKS[0]]
    results = [r for r in results if r.cell.optimizer != "sobol" or r.cell.task != TASKS[1]]
    track = told(results).findings.tracks["blackbox"]
    assert len(track.tasks) == len(TASKS) - 1  # the one that sobol missed
    assert track.left_out == {TASKS[1]: ("sobol",)}
    last = track.rows[-1]
    assert (last.method, last.rank, last.tasks) == ("smac-bb", (None, None, None), 1)
    assert any("smac-bb" in note for note in track.notes)
    assert "sobol" in track.methods


def test_too_few_seeds_give_no_intervals_and_are_named() -> None:
    found = told([r for r in two() if r.cell.optimizer == "random" or r.cell.seed < 2])
    row = next(row for row in found.findings.tracks["blackbox"].rows if row.method == "gp")
    assert row.regret[-1][0] is not None
    assert row.regret[-1][1:] == (None, None)
    assert any("gp: fewer than 3 runs" in one and "Run more seeds" in one for one in found.findings.head.cautions)


def test_unequal_budgets_are_found() -> None:
    results = two()
    results = [replace(r, spent=90.0) if r.cell.optimizer == "gp" and r.cell.seed == 1 else r for r in results]
    found = told(results)
    assert {(one.method, one.fewest, one.most, one.due) for one in found.findings.unequal} == {
        ("gp", 90.0, 100.0, 100.0)
    }
    assert "gp on bbob/f1-d5-i1: 90" in found.text(100)
    assert "Did everybody get as much?" in found.html()


def test_one_is_one() -> None:
    alone = told([made_up.result("gp", TASKS[0], 0, 1.0, 1.0)], budgets=[1])
    text = " ".join(alone.text(300).split())
    assert "1 optimizer × 1 task × 1 seed, 1 run;" in text
    assert "gp: fewer than 3 runs on its only task, so no interval is given." in text
    assert not re.search(r"\b1 (full )?(task|seed|run|optimizer|evaluation)s\b", text)
    pair = told([r for r in two() if r.cell.seed == 0], budgets=[1])
    assert "after 1 evaluation:" in pair.summary
    assert "on all of its 6 tasks" in pair.text(300)


def test_lines_that_name_a_system_alone_are_no_other_machine() -> None:
    named = {"Linux, Xeon": "Linux x86_64", "Linux, Epyc": "Linux, Xeon"}

    def of(machines: Any) -> Report:
        return told([replace(r, where=r.where | {"machine": machines[r.cell.seed]}) for r in two()])

    for machine, other in named.items():
        found = of((machine, other, machine)).findings.head
        shout = any("2 machines" in one for one in found.cautions)
        assert shout == (other == "Linux, Xeon")
        assert any("don't name their processor" in one for one in found.cautions) != shout
        assert found.machines == ((machine, other) if shout else (machine,))
    assert of(("Linux x86_64",) * 3).findings.head.machines == ("Linux x86_64",)
    assert len(of(("Linux x86_64", "Darwin, M4", "Darwin, M4")).findings.head.machines) == 2


def test_families_mark_the_lowest_and_who_ran_only_some() -> None:
    ran = [
        r for r in bench(seeds=3, kinds=()) if r.cell.optimizer != "gp" or r.cell.task in ("bbob/f1-d5-i1", *TASKS[3:])
    ]
    found = told(ran)
    row = next(line for line in family_rows(found.findings.tracks["blackbox"]) if line[0] == "gp")
    assert [cell[-1] for cell in row[1:]].count("°") == 1
    assert any(cell.endswith("*") for cell in row[1:])
    assert "° ran only some of these tasks" in " ".join(found.text(80).split())
    assert "° ran only some of these tasks" not in " ".join(told(two()).text(80).split())
    assert "°<small>" in found.html()


def test_against_gives_ratios_and_words_overall_and_by_family(whole: Report) -> None:
    found = {(one.method, one.scope): one for one in whole.findings.tracks["blackbox"].versus}
    assert found["gp", "all"].word == "better"
    assert found["random", "all"].word == "worse"
    assert found["random", "bbob"].ratio[0] > 1
    assert ("optuna-tpe", "all") not in found
    assert whole.findings.tracks["steps"].versus == ()  # it did not run there


def test_unknown_optimizer_to_compare_with_is_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'optuna-tpe'"):
        told(bench(seeds=3, kinds=()), against="optuna-tp")


def test_no_results_make_a_report_too() -> None:
    found = report([])
    assert "nothing to compare" in found.summary
    assert "nothing to compare" in found.text(80)
    assert "<h2" in found.html()


def test_only_failures_make_a_report_too() -> None:
    results = [made_up.failed("gp", "bbob/f1-d5-i1", s, 100.0, "missing", "not here") for s in range(3)]
    found = told(results)
    assert "no run that can be judged came to an end" in found.text(80)
    assert "not here" in found.html()


def test_one_optimizer_one_task_one_seed() -> None:
    found = told([made_up.result("gp", "bbob/f1-d5-i1", 0, 100.0, 1.0)])
    assert found.findings.tracks["blackbox"].diagram is None
    assert "only gp was run" in found.summary
    assert "only gp was run" in found.html()
    assert Report.from_json(found.to_json()) == found


def test_runs_that_found_nothing_are_no_numbers_in_curves() -> None:
    results = two()
    late = [replace(r, trace=tuple((row[0] + 9, *row[1:]) for row in r.trace)) for r in results]
    lines = told(late).findings.tracks["blackbox"].task_curves[TASKS[0]]
    assert lines.y["gp"][0] is None  # nothing found yet
    assert lines.y["gp"][-1] is not None


# ── the terminal ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [80, 120])
def test_text_stays_within_its_width(whole: Report, width: int) -> None:
    text = whole.text(width)
    assert max(map(len, text.splitlines())) <= width
    assert text.isprintable() or set(text) - {"\n"}
    for word in ("mean rank", "log-AUC", "regret at 100", "vs random", "IGD+", "Against optuna-tpe", "Not done"):
        assert word in text, word
    assert "Equal budgets" in text


def test_text_tells_who_can_not_be_told_apart(whole: Report) -> None:
    assert "gp has the best mean rank after 100 evaluations" in whole.summary
    assert "can't be told from" in whole.summary
    assert "Random search: rank" in whole.summary


def test_a_table_goes_on_below_where_the_screen_ends() -> None:
    rows = [("", "a", "b", "c"), ("one", "11111", "22222", "33333")]
    assert blocks(rows, 100) == ["         a      b      c", "one  11111  22222  33333"]
    narrow = blocks(rows, 12)
    assert [line for line in narrow if line.startswith("one")] == ["one  11111", "one  22222", "one  33333"]


def test_names_move_no_cursor() -> None:
    results = two()
    evil = [
        replace(r, cell=replace(r.cell, optimizer="g\x1b[2Jp\n")) if r.cell.optimizer == "gp" else r for r in results
    ]
    text = told(evil).text(80)
    assert "\x1b" not in text
    assert "gp " in text


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_document_comes_back_the_same_and_holds_no_nan(whole: Report) -> None:
    text = json.dumps(whole.to_json(), allow_nan=False)
    assert Report.from_json(text) == whole
    assert Report.from_json(json.loads(text)).html() == whole.html()


def test_document_of_another_format_is_refused(whole: Report) -> None:
    with pytest.raises(ValueError, match="format is 99, wanted 1"):
        from_json(whole.to_json() | {"format": 99})
    with pytest.raises(ValueError, match="No report"):
        from_json("[]")


def test_the_file_of_results_gives_the_same_report(tmp_path: Path, whole: Report, html: str) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text("".join(r.line() + "\n" for r in bench()))
    page = tmp_path / "report.html"
    assert told(file, against="optuna-tpe", title="dev", html=page) == whole
    assert page.read_text(encoding="utf-8") == html


# ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_page_is_one_file_that_asks_for_nothing(html: str) -> None:
    assert len(html) < 7_000_000
    own = re.sub(r"<script>.*?</script>", "", html, flags=re.S)  # without plotly and our script
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?!#)[a-z]*:?//""", own)
    assert "default-src 'none'" in html
    assert "@import" not in own
    assert "url(" not in own


@pytest.mark.parametrize(
    "word",
    [
        "Which ranks can be told apart", "Probability of improvement", "Runtime: targets reached",
        "Performance profile", "log-AUC", "Expected evaluations to a regret",
        "Against optuna-tpe", "By family", "Task by task", "What a suggestion costs", "Failed, refused, missing",
        "Did everybody get as much?", "How this was computed", "hypervolume regret", "google-vizier is not installed",
    ],
)  # fmt: skip
def test_page_has(html: str, word: str) -> None:
    assert word in html


def test_names_are_only_names() -> None:
    results = two()
    name, task = f'gp"{SCRIPT}', f"bbob/{SCRIPT}"

    def renamed(r: Any) -> Any:
        cell = replace(r.cell, optimizer=name) if r.cell.optimizer == "gp" else r.cell
        return replace(r, cell=replace(cell, task=task) if cell.task == TASKS[0] else cell)

    renamed_all = [renamed(r) for r in results]
    found = report(
        renamed_all, norms=made_up.norms((*made_up.TASKS, task)), task=made_up.task, title=SCRIPT, against=name
    )
    html = found.html()
    assert SCRIPT not in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', html, re.S)[1])  # type: ignore[index]
    named = [trace["name"] for figure in figures.values() for trace in figure["data"] if "name" in trace]
    assert not any("<script" in one for one in named)
    assert {trace.get("meta") for trace in figures["blackbox-curves-0"]["data"]} == {name, "random"}


def test_each_figure_is_one_that_plotly_takes(whole: Report) -> None:
    figures = whole.figures()
    assert {"blackbox curves all", "blackbox curves bbob", "blackbox ranks", "blackbox better", "overhead"} <= set(
        figures
    )
    assert {"objectives curves all", "steps runtime", "steps profile", "blackbox task yahpo/lcbench-3945"} <= set(
        figures
    )
    curve = next(t for t in figures["blackbox curves all"].data if t.name == "gp")
    x, y = np.array(curve.x), np.array(curve.y)
    assert (x[0], x[-1]) == (1, 100)
    assert (np.diff(y) <= 1e-9).all()  # what is found is not lost
    assert curve.line.shape == "hv"  # steps: nothing is drawn between two values


def test_every_figure_of_the_page_has_its_place(html: str) -> None:
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', html, re.S)[1])  # type: ignore[index]
    places = set(re.findall(r'data-figure="([^"]*)"', html)) | set(re.findall(r'<option value="([^"]*)"', html))
    assert places == set(figures)


# ── words and colours ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.012345, "0.0123"), (0.0995, "0.0995"), (0.99999, "1.00"), (99.96, "100"), (12.0, "12.0"), (0.0, "0"),
     (-0.5, "-0.500"),
     (1e-5, "1.00e-5"), (123456.0, "1.23e5"), (None, "–"), (math.nan, "–"), (math.inf, "∞")],
)  # fmt: skip
def test_numbers_are_short(value: float | None, wanted: str) -> None:
    assert short(value) == wanted


def test_intervals_and_lists() -> None:
    assert within((0.5, 0.25, 0.75)) == "0.500 [0.250–0.750]"
    assert within((0.5, None, None)) == "0.500"
    assert between((0.5, None, None)) == ""
    assert listed(["a"]) == "a"
    assert listed([]) == ""


def test_colours_depend_on_the_name_alone() -> None:
    peers = ["optuna-tpe", "optuna-gp", "smac-bb", "hebo", "syne-cqr", "ax", "vizier"]
    assert len({colour(name) for name in peers}) == len(peers)
    assert colour("random") == colour("optuna-random") == BASELINE
    assert (colour("asha+tpe"), dash("asha+tpe")) != (colour("asha+random"), dash("asha+random"))
    assert colour("gp on 4 workers") == colour("gp")
    assert re.fullmatch("#[0-9a-f]{6}", colour("my own method"))


def test_tasks_of_one_name_are_split_by_how_they_were_run() -> None:
    steps = made_up.result("asha+tpe", "yahpo/x", 0, 30.0, 1.0, 4)
    beside = made_up.result("random", "yahpo/x", 0, 30.0, 1.0, 4)
    alone = made_up.result("random", "yahpo/x", 0, 100.0, 1.0)
    assert by_kind([steps, beside, alone]) == {"blackbox": [alone], "steps": [steps, beside]}
    whole = [made_up.result(name, "yahpo/x", 0, 100.0, 1.0) for name in ("gp", "tpe", "dehb")]
    assert by_kind([alone, *whole]) == {"blackbox": [alone, *whole]}  # dehb may stop early, but is a guest there


def test_a_rank_is_told_among_those_that_are_ranked() -> None:
    few = made_up.results(TASKS[:1], {"hebo": made_up.SPEED["hebo"]}, seeds=3, kinds=())
    found = told([*two(), *few])
    assert "Without a rank, because of the tasks only some were run: hebo." in found.findings.tracks["blackbox"].notes
    assert re.search(r"best mean rank after 100 evaluations: [\d.]+ \[[^]]*\] of 2;", found.summary)


def test_tasks_that_are_not_known_here_are_named_together() -> None:
    strange = [replace(r, cell=replace(r.cell, task=f"nobody/{i}")) for r in two()[:1] for i in range(3)]
    words = " ".join(report(strange).text(200).split())
    assert "nobody/0, nobody/1 and nobody/2: left out, because the goals can't be read here. No family" in words
    assert "no run that can be judged came to an end" in words
