"""Other optimizers behind a pipe: the protocol with adapters made here, and the real ones where they are installed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trimtab.bench import envs
from trimtab.bench.optimizer import Optimizer
from trimtab.bench.peers import (
    PEERS,
    MissingPeer,
    PeerCrashed,
    PeerRefused,
    PeerSession,
    PeerTimeout,
    client,
    described,
    open_session,
)
from trimtab.bench.peers._space import translate
from trimtab.bench.peers._table import MODULES
from trimtab.bench.task import Fidelity, Goal, Outcome, Task
from trimtab.errors import MissingExtra
from trimtab.space import Bool, Choice, Const, Derived, Float, Int, Permutation, Space

SPACE = Space({"a.lr": "1e-4..1.0 log", "n": "1..4", "kind": ["x", "y"], "fixed": Const(3)})
RANDOM = """
import random
class Adapter:
    version = "1.2"
    def __init__(self, job):
        self.rng, self.space, self.job = random.Random(job.seed), job.space, job
        self.told = []
    def ask(self):
        draw = {"float": lambda p: self.rng.uniform(p["low"], p["high"]),
                "int": lambda p: self.rng.randint(p["low"], p["high"]),
                "choice": lambda p: self.rng.randrange(len(p["choices"]))}
        return {"config": {p["name"]: draw[p["kind"]](p) for p in self.space}}
    def tell(self, key, costs, limits, seconds):
        self.told.append([key, costs, limits, seconds])
"""


@pytest.fixture
def session(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """session(code, space=…, constraints=…, limits=…): a PeerSession with an adapter of this text."""
    opened: list[PeerSession] = []

    def make(code: str, space: Space = SPACE, *, base: str = RANDOM, seed: int = 0, **settings: Any) -> PeerSession:
        path = tmp_path / f"adapter_fake{len(opened)}.py"
        path.write_text(base + textwrap.dedent(code), encoding="utf-8")
        constraints = settings.pop("constraints", False)
        begin = {"settings": {}, "space": translate(space, conditions=True).rows, "goals": 1, "constraints": 0}
        begin |= {"fidelity": None, "seed": seed, "budget": 10.0}
        python, translation = Path(sys.executable), translate(space, conditions=True)
        opened.append(PeerSession(python, path, translation, begin, name="fake", constraints=constraints, **settings))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


# ── the protocol ──────────────────────────────────────────────────────────────


def test_a_session_asks_in_batches_and_tells(session: Any) -> None:
    peer = session("")
    assert peer.version == "1.2"
    asked = [peer.ask() for _ in range(5)]
    assert [a.key for a in asked] == [0, 1, 2, 3, 4]
    for a in asked:
        assert SPACE.check(a.config) == a.config
        assert a.config["fixed"] == 3
        assert a.budget is None
        peer.tell(a.key, [1.0], [], 0.5)
    assert peer.report(0, 1, [1.0]) == "on"  # it judges nothing, so it is not even asked


def test_the_same_seed_proposes_the_same(session: Any) -> None:
    one, two, other = session(""), session(""), session("", seed=1)
    first = [one.ask().config for _ in range(4)]
    assert first == [two.ask().config for _ in range(4)]
    assert first != [other.ask().config for _ in range(4)]


def test_what_a_peer_prints_does_not_corrupt_the_pipe(session: Any) -> None:
    peer = session(
        """
        import os, subprocess, sys
        print("loading")
        class Adapter(Adapter):
            def ask(self):
                print('{"asked": null}', flush=True)
                sys.__stdout__.write("from the old stdout\\n"); sys.__stdout__.flush()
                os.write(1, b"from a C library\\n")
                subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
                assert sys.stdin.read() == ""
                return super().ask()
        """
    )
    assert peer.ask().key == 0
    assert peer.ask().key == 1
    assert "from a C library" in (peer._folder / "stderr.txt").read_text()


def test_costs_limits_and_failures_arrive_as_they_should(session: Any, tmp_path: Path) -> None:
    code = f"""
    import json
    class Adapter(Adapter):
        def close(self):
            open({str(tmp_path / "told.json")!r}, "w").write(json.dumps(self.told))
    """
    told: list[Any] = []
    for knows in (True, False):
        peer = session(code, constraints=knows)
        for costs, limits in (([1.0], [-1.0]), ([1.0], [0.5]), (None, []), ([np.inf], [0.0]), ([2.0], [np.nan])):
            peer.tell(peer.ask().key, costs, limits, 1.0)
        peer.close()
        told.append([row[1:3] for row in json.loads((tmp_path / "told.json").read_text())])
    failed = [None, []]
    assert told[0] == [[[1.0], [-1.0]], [[1.0], [0.5]], failed, failed, failed]
    assert told[1] == [[[1.0], []], failed, failed, failed, failed]


def test_only_cpu_inside_the_peer_is_counted(session: Any) -> None:
    peer = session(
        """
        import time
        class Adapter(Adapter):
            def ask(self):
                start = time.process_time()
                while time.process_time() - start < 0.2: pass
                return super().ask()
            def tell(self, *args):
                time.sleep(0.3)
        """
    )
    assert peer.seconds == 0
    peer.ask()
    assert 0.2 <= peer.seconds < 0.5
    peer.tell(0, [1.0], [], 0.0)
    assert peer.seconds < 0.5


def test_an_error_of_the_peer_names_it_with_its_trace(session: Any) -> None:
    peer = session(
        """
        class Adapter(Adapter):
            def ask(self):
                raise FloatingPointError("the kernel is singular")
        """
    )
    with pytest.raises(PeerCrashed, match=r"(?s)fake: FloatingPointError: the kernel is singular.*in ask"):
        peer.ask()
    with pytest.raises(PeerCrashed, match="closed"):
        peer.ask()


def test_a_peer_that_dies_says_its_last_words(session: Any) -> None:
    peer = session(
        """
        import os, sys
        class Adapter(Adapter):
            def ask(self):
                print("out of luck", file=sys.stderr, flush=True)
                os._exit(3)
        """
    )
    with pytest.raises(PeerCrashed, match=r"(?s)ended during ask \(exit code 3\).*out of luck"):
        peer.ask()


def test_a_peer_that_hangs_is_stopped_with_its_children(session: Any, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    peer = session(
        f"""
        import subprocess, sys, time
        class Adapter(Adapter):
            def ask(self):
                code = "import time\\nwhile True: open({str(beat)!r}, 'a').write('x'); time.sleep(0.02)"
                subprocess.Popen([sys.executable, "-c", code])
                time.sleep(60)
        """,
        limits=(60.0, 1.5),
    )
    with pytest.raises(PeerTimeout, match=r"ask took longer than 1.5 s"):
        peer.ask()
    size = beat.stat().st_size
    time.sleep(0.2)
    assert beat.stat().st_size == size  # its child is gone too
    assert not peer._folder.exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("7", "nonsense"),
        ("{'config': {}}", r"a.lr is missing"),
        ("{'config': {'x00': float('nan'), 'x01': 1, 'x02': 0}}", "a.lr is nan"),
        ("{'config': {'x00': 3.0, 'x01': 1, 'x02': 0}}", r"a.lr is 3.0, outside 0.0001..1.0"),
        ("{'config': {'x00': 0.1, 'x01': 2.5, 'x02': 0}}", r"n is 2.5, no whole number from 1 to 4"),
        ("{'config': {'x00': 0.1, 'x01': 2, 'x02': 2}}", r"kind is 2, no whole number from 0 to 1"),
        ("{'config': {'x00': 0.1, 'x01': 2, 'x02': 'x'}}", "kind is 'x'"),
        ("{'config': {'x00': 0.1, 'x01': 2, 'x02': 0}, 'budget': 'all'}", "its budget is 'all'"),
        ("{'config': {'x00': 0.1, 'x01': 2, 'x02': 0}, 'key': 'k'}", "the key of a trial is 'k'"),
        ("{'config': {'x00': 0.1, 'x01': object(), 'x02': 0}}", "can't be written as JSON"),
    ],
)
def test_nonsense_is_a_crash_that_says_what(session: Any, answer: str, message: str) -> None:
    peer = session(f"class Adapter(Adapter):\n    def ask(self): return {answer}\n")
    with pytest.raises(PeerCrashed, match=message):
        peer.ask()


def test_rounding_at_the_edges_is_forgiven(session: Any) -> None:
    peer = session(
        """
        class Adapter(Adapter):
            def ask(self): return {"config": {"x00": 1.0 + 1e-9, "x01": 2.0000000001, "x02": 1.0}}
        """
    )
    assert peer.ask().config == {"a.lr": 1.0, "n": 2, "kind": "y", "fixed": 3}


def test_nothing_to_do_until_one_is_told(session: Any) -> None:
    peer = session("class Adapter(Adapter):\n    def ask(self): return None\n")
    assert peer.ask() is None


def test_a_judge_stops_and_pauses(session: Any) -> None:
    peer = session(
        """
        class Adapter(Adapter):
            judges = True
            def report(self, key, step, costs):
                return ["on", "pause", "stop", "perhaps"][int(step) - 1]
        """
    )
    asked = peer.ask()
    assert [peer.report(asked.key, step, [1.0]) for step in (1, 2, 3)] == ["on", "pause", "stop"]
    with pytest.raises(PeerCrashed, match="'perhaps'"):
        peer.report(asked.key, 4, [1.0])


def test_refused_and_missing_at_the_start(session: Any) -> None:
    with pytest.raises(PeerRefused, match="fake: needs a fidelity"):
        session("class Adapter(Adapter):\n    def __init__(self, job): job.refuse('needs a fidelity')\n")
    with pytest.raises(MissingPeer, match="no_such_package"):
        session("import no_such_package\n")
    with pytest.raises(PeerCrashed, match="SyntaxError"):
        session("this is no Python\n")


def test_the_peer_sees_one_thread_and_no_strange_paths(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    peer = session(
        """
        import os, sys, warnings
        class Adapter(Adapter):
            @property
            def version(self):
                near = [p for p in sys.path if p.endswith("bench/peers")]
                return "|".join([os.environ["OMP_NUM_THREADS"], os.environ["PYTHONHASHSEED"], str(near),
                                 str("trimtab" in sys.modules), os.getcwd()])
        warnings.warn("harmless")
        """
    )
    threads, seed, near, trimtab, folder = peer.version.split("|")
    assert (threads, seed, near, trimtab) == ("1", "0", "[]", "False")
    assert Path(folder).resolve() == peer._folder.resolve()


def test_the_server_stands_alone(tmp_path: Path) -> None:
    """An interpreter runs it that finds neither trimtab nor numpy."""
    adapter = tmp_path / "adapter_fake.py"
    adapter.write_text(RANDOM, encoding="utf-8")
    begin = {"op": "begin", "adapter": str(adapter), "settings": {}, "space": [], "goals": 1, "constraints": 0}
    requests = [begin | {"fidelity": None, "seed": 0, "budget": 1.0}, {"op": "ask"}, {"op": "close"}]
    command = [sys.executable, "-S", "-I", str(client.HERE / "server.py")]
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    begun, asked, closed = map(json.loads, done.stdout.splitlines())
    assert begun == {"version": "1.2", "judges": False}
    assert asked["asked"] == {"config": {}, "key": 0}
    assert closed == {}


def test_close_twice_and_with_leave_nothing(session: Any) -> None:
    with session("") as peer:
        peer.ask()
        folder, process = peer._folder, peer._process
    peer.close()
    assert process.returncode == 0
    assert not folder.exists()


# ── the space ─────────────────────────────────────────────────────────────────


def test_rows_are_numbers_and_labels() -> None:
    space = Space(
        {
            "wide": Float(0.0, 1.0),
            "step": Float(0.1, 0.7, step=0.2),
            "even": Int(2, 10, step=2),
            "power": Int(16, 256, log=2),
            "log": Int(1, 100, log=True),
            "flag": Bool(),
            "size": Choice(["s", "m", "l"], ordered=True),
            "twice": Derived("even * 2"),
        }
    )
    rows = described(space)
    assert [row["name"] for row in rows] == ["x00", "x01", "x02", "x03", "x04", "x05", "x06"]
    assert [(r["low"], r["high"]) for r in rows[:5]] == [(0.0, 1.0), (0, 3), (0, 4), (0, 4), (1, 100)]
    assert rows[4]["log"] is True
    assert rows[5]["choices"] == [False, True]
    assert rows[6]["ordered"] is True
    assert json.loads(json.dumps(rows)) == rows
    given = {"x00": 0.5, "x01": 3, "x02": 4, "x03": 4, "x04": 7, "x05": 0, "x06": 2}
    config = translate(space, conditions=True).config(given)
    assert config == {
        "wide": 0.5, "step": 0.7, "even": 10, "power": 256, "log": 7, "flag": False, "size": "l", "twice": 20
    }  # fmt: skip


TREE = Space(
    {
        "depth": Int(1, 3, when="model == 'rf'"),
        "model": ["svm", "rf", "none"],
        "c": Float(0.1, 1.0, when={"model": ["svm", "rf"]}),
        "leaf": Int(1, 9, when="model == 'rf' and depth >= 2"),
    }
)


def test_conditions_are_parents_and_their_values() -> None:
    rows = {row["label"]: row for row in described(TREE)}
    assert list(rows) == ["model", "depth", "c", "leaf"]  # parents first
    model, depth = rows["model"]["name"], rows["depth"]["name"]
    assert rows["model"]["when"] == []
    assert rows["depth"]["when"] == [{"parent": model, "in": [1]}]
    assert rows["c"]["when"] == [{"parent": model, "in": [0, 1]}]
    assert rows["leaf"]["when"] == [{"parent": model, "in": [1]}, {"parent": depth, "in": [2, 3]}]


def test_a_flat_proposal_loses_what_is_inactive() -> None:
    translation = translate(TREE, conditions=False)
    assert all(row["when"] == [] for row in translation.rows)
    full = {"x00": 1, "x01": 1, "x02": 0.5, "x03": 4}
    assert translation.config(full) == {"depth": 1, "model": "rf", "c": 0.5}
    assert translation.config({**full, "x00": 2}) == {"model": "none"}
    assert translation.config({"x00": 1, "x01": 3, "x02": 0.5, "x03": 4})["leaf"] == 4


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Space({"a": Float(0, 1), "b": Float(0, 1)}, require=["a + b <= 1"]), r'require "a \+ b <= 1"'),
        (Space({"a": Float(0, 1), "b": Float(0, 1)}, forbid=["a > b"]), r'forbid "a > b"'),
        (Space({"order": Permutation(["a", "b"])}), "order is a Permutation"),
        (Space({"a": Int(1, 5), "b": Int(1, "a")}), "bounds of b"),
        (Space({"a": Float(0, 1), "b": Float(0, 1, when="a > 0.5")}), r'condition of b, "a > 0.5"'),
        (Space({"a": [1, 2], "c": [1, 2], "b": Float(0, 1, when="a == 1 or c == 1")}), "condition of b"),
        (Space({"a": Const(1)}), "nothing to search"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(space: Space, message: str) -> None:
    with pytest.raises(PeerRefused, match=message):
        described(space)


# ── open_session ──────────────────────────────────────────────────────────────


def hollow(config: Any, budget: float | None, seed: int) -> Outcome:
    loss = (config["x"] - 0.3) ** 2 + config["k"] / 10 + (config.get("z", 0.0) - 0.5) ** 2
    return Outcome({"loss": loss, "c": 0.1 - config["x"], "other": -loss}, 1.0)


HOLLOW = Task(
    "test/hollow",
    Space({"x": Float(0, 1), "k": Int(0, 5), "m": ["a", "b", "c"], "z": Float(0, 1, when="m == 'b'")}),
    (Goal("loss"),),
    hollow,
)


def test_a_missing_environment_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(envs.PLACE, str(tmp_path))
    with pytest.raises(MissingPeer, match="trimtab bench env hebo") as caught:
        open_session(Optimizer("hebo", "hebo", env="hebo"), HOLLOW, 0, 10)
    assert isinstance(caught.value, MissingExtra)


def test_several_goals_need_a_peer_that_knows_them() -> None:
    task = Task("test/two", HOLLOW.space, (Goal("loss"), Goal("other")), hollow)
    with pytest.raises(PeerRefused, match="test/two has 2 objectives"):
        open_session(PEERS["hyperopt"], task, 0, 10)


def test_a_method_of_several_fidelities_needs_one() -> None:
    optimizer = Optimizer("asha", "syne", frozenset({"fidelity"}), {"fidelity": True}, "peers")
    with pytest.raises(PeerRefused, match="has no fidelity"):
        open_session(optimizer, HOLLOW, 0, 10)


def test_every_peer_has_its_file_and_environment() -> None:
    for name, optimizer in PEERS.items():
        assert optimizer.name == name
        assert (client.HERE / f"adapter_{optimizer.package}.py").exists()
        assert optimizer.env in envs.ENVS
        assert MODULES[optimizer.package] in envs.ENVS[optimizer.env].packages.values()
        assert optimizer.takes <= {"objectives", "constraints", "conditions", "fidelity"}


# ── the real ones ─────────────────────────────────────────────────────────────


def opened(name: str, task: Task, seed: int = 0, budget: float = 15) -> PeerSession:
    try:
        return open_session(PEERS[name], task, seed, budget)
    except MissingPeer as missing:
        pytest.skip(str(missing))


def run(name: str, task: Task, n: int, *, seed: int = 0, batch: int = 1) -> list[tuple[Any, list[float]]]:
    """n evaluations, in batches that are asked before any of them is told; each fifth fails."""
    rows: list[tuple[Any, list[float]]] = []
    with opened(name, task, seed, n) as peer:
        while len(rows) < n:
            for asked in [peer.ask() for _ in range(batch)]:
                assert asked is not None
                full = task.fidelity.high if task.fidelity else 0.0
                outcome = task.measure(asked.config, asked.budget or full, 0)
                costs = [g.sign * outcome.metrics[g.name] for g in task.goals]
                limits = [outcome.metrics["c"]] if task.constraints else []
                rows.append((asked, costs))
                for step in range(1, int(asked.budget or full) + 1):
                    if peer.report(asked.key, step, [costs[0] + 1 / step, *costs[1:]]) != "on":
                        break
                peer.tell(asked.key, None if len(rows) % 5 == 4 else costs, limits, outcome.seconds)
        assert peer.version
        assert peer.seconds > 0
    return rows


FAST = [name for name, o in PEERS.items() if o.seeds > 5 and not o.settings.get("fidelity")]


@pytest.mark.parametrize("name", ["optuna-tpe", "optuna-auto", "optuna-random"])
def test_optuna_beside_trimtab(name: str) -> None:
    pytest.importorskip("optuna")
    rows = run(name, HOLLOW, 20)
    assert all(("z" in asked.config) == (asked.config["m"] == "b") for asked, _ in rows)
    assert [asked.config for asked, _ in rows] == [asked.config for asked, _ in run(name, HOLLOW, 20)]
    assert [asked.key for asked, _ in rows] == list(range(20))


def test_the_rule_of_the_auto_sampler() -> None:
    """GP for numbers, TPE for the rest; after 250 trials CMA-ES where GP was, from what that has found."""
    optuna = pytest.importorskip("optuna")
    from trimtab.bench.peers import adapter_optuna as adapter

    def job(goals: int, *rows: dict[str, Any]) -> Any:
        return SimpleNamespace(goals=goals, space=list(rows))

    number = {"kind": "float", "when": []}
    assert adapter.first(job(1, number))[0] == adapter.first(job(3, number))[0] == "gp"
    for other in ({"kind": "choice", "when": []}, {"kind": "int", "when": [{"parent": "a", "in": [1]}]}):
        assert adapter.first(job(1, number, other))[0] == "tpe"
    assert adapter.first(job(4, number))[0] == "tpe"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    assert adapter.later(study, 1, False, 0) is study.sampler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.sampler = optuna.samplers.GPSampler(seed=0)
        kinds = [
            type(adapter.later(study, *each, 0)).__name__ for each in ((1, False), (1, True), (2, False), (4, False))
        ]
    assert kinds == ["CmaEsSampler", "TPESampler", "NSGAIISampler", "NSGAIIISampler"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PEERS))
def test_each_peer_searches(name: str) -> None:
    """Batches, failures and conditions are survived; limits and several goals too, by those who know them."""
    optimizer = PEERS[name]
    whole = Fidelity("epoch", 1, 9) if optimizer.settings.get("fidelity") else None
    task = Task("test/hollow", HOLLOW.space, HOLLOW.goals, hollow, fidelity=whole)
    n = 30 if optimizer.seconds < 0.3 else 12
    rows = run(name, task, n, batch=2)
    for asked, _ in rows:
        assert task.space.check(asked.config) == asked.config
        assert whole is None or asked.budget is None or 1 <= asked.budget <= 9
    if "constraints" in optimizer.takes:
        run(name, Task("test/limited", task.space, task.goals, hollow, fidelity=whole, constraints=("c <= 0",)), n)
    if "objectives" in optimizer.takes:
        two = (Goal("loss"), Goal("other", "maximize"))
        run(name, Task("test/two", task.space, two, hollow, fidelity=whole), n)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_each_fast_peer_repeats_itself(name: str) -> None:
    first, second = (run(name, HOLLOW, 25, seed=3) for _ in range(2))
    assert [asked.config for asked, _ in first] == [asked.config for asked, _ in second]


def test_a_peer_whose_bench_is_gone_in_the_middle_of_a_call_leaves_no_folder(tmp_path: Path) -> None:
    place = tmp_path / "trimtab-peer-x"
    place.mkdir()
    adapter = tmp_path / "adapter_slow.py"
    adapter.write_text(
        "import time\n"
        "class Adapter:\n"
        "    version = '1'\n"
        "    def __init__(self, job): pass\n"
        "    def ask(self): time.sleep(0.5)\n"
    )
    begin = {"op": "begin", "adapter": str(adapter), "settings": {}, "space": [], "goals": 1, "constraints": 0,
             "fidelity": None, "seed": 0, "budget": 1}  # fmt: skip
    server = Path(client.__file__).with_name("server.py")
    with subprocess.Popen(
        [sys.executable, "-u", str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=place, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(begin) + "\n")
        process.stdin.flush()
        assert "version" in process.stdout.readline()
        process.stdin.write('{"op": "ask"}\n')
        process.stdin.flush()
        process.stdin.close()
        process.stdout.close()
        assert process.wait(60) == 1
    assert not place.exists()
