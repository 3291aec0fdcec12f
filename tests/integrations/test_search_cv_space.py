"""Spaces of tt.SearchCV: what users write, and what scikit-learn is told to set."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import trimtab as tt

pytest.importorskip("sklearn")
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from trimtab.integrations.sklearn._scipy import EXPON, domain_of
from trimtab.integrations.sklearn._space import Parameters


def pipe() -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("clf", SVC())])


def drawn(parameters: Parameters, n: int = 40) -> list[dict]:
    rng = np.random.default_rng(0)
    return [parameters.params(parameters.space.sample_config(rng)) for _ in range(n)]


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dots_and_nested_dicts_are_double_underscores() -> None:
    for space in (
        {"clf__C": "1e-3..1e3 log"},
        {"clf": {"C": "1e-3..1e3 log"}},
        {"clf.C": tt.Float(1e-3, 1e3, log=True)},
    ):
        assert all(set(p) == {"clf__C"} for p in drawn(Parameters.of(space, pipe()), 3)), space


def test_a_tt_space_keeps_its_rules() -> None:
    space = tt.Space({"C": "0.1..10.0", "coef0": "0.0..5.0"}, require=["C + coef0 <= 5"])
    assert all(p["C"] + p["coef0"] <= 5 for p in drawn(Parameters.of(space, SVC())))
    inner = Parameters.of({"clf": space}, pipe())
    assert all(p["clf__C"] + p["clf__coef0"] <= 5 for p in drawn(inner))


def test_a_wrong_name_is_told_before_any_fit() -> None:
    with pytest.raises(tt.SpaceError, match=r'"clf__c" is no parameter of Pipeline. Did you mean \'clf__C\'\?'):
        Parameters.of({"clf__c": [1, 2]}, pipe())


@pytest.mark.parametrize("space", [3, "1..2", [], [1, 2], None])
def test_what_is_no_space_is_refused(space: object) -> None:
    with pytest.raises(tt.SpaceError, match="give a dict of names"):
        Parameters.of(space, SVC())


def test_two_names_for_one_parameter_are_refused_when_both_are_active() -> None:
    parameters = Parameters.of({"clf__C": "0.1..1.0", "clf": {"C": "1.0..2.0"}}, pipe())
    with pytest.raises(tt.SpaceError, match="both set clf__C"):
        parameters.params({"clf__C": 0.5, "clf.C": 1.5})


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_plain_lists_stay_values_and_numbers_in_order_are_ordered() -> None:
    space = Parameters.of(
        {"C": np.logspace(-2, 2, 5), "kernel": ["rbf", "poly"], "shrinking": [True, False]}, SVC()
    ).space
    assert space["C"].labels == pytest.approx((0.01, 0.1, 1.0, 10.0, 100.0))
    assert space["C"].ordered
    assert not space["kernel"].ordered
    assert space["shrinking"].labels == (True, False)
    assert not Parameters.of({"C": [1, 100, 10]}, SVC()).space["C"].ordered


def test_lists_of_anything_else_give_their_objects_back() -> None:
    weights = [None, {0: 1, 1: 5}, {0: 1, 1: 50}]
    space = {"hidden_layer_sizes": [(50,), (50, 20)], "activation": ["relu"], "validation_fraction": [0.1, np.nan]}
    found = drawn(Parameters.of(space, MLPClassifier()))
    assert {p["hidden_layer_sizes"] for p in found} == {(50,), (50, 20)}
    assert any(np.isnan(p["validation_fraction"]) for p in found)
    parameters = Parameters.of({"class_weight": weights}, SVC())
    assert parameters.space["class_weight"].labels == ("None", "{0: 1, 1: 5}", "{0: 1, 1: 50}")
    assert all(any(p["class_weight"] is w for w in weights) for p in drawn(parameters))


def test_objects_that_look_alike_get_labels_of_their_own() -> None:
    steps = [SVC(), SVC(), LogisticRegression]
    parameters = Parameters.of({"clf": steps[:2], "scale": [StandardScaler(), "passthrough", None]}, pipe())
    assert parameters.space["clf"].labels == ("SVC()", "SVC() (2)")
    assert parameters.space["scale"].labels == ("StandardScaler()", "passthrough", "None")
    assert {id(p["clf"]) for p in drawn(parameters)} == set(map(id, steps[:2]))


def test_one_value_is_a_constant_and_an_empty_list_is_refused() -> None:
    assert isinstance(Parameters.of({"kernel": ["rbf"], "C": [1, 1, 1]}, SVC()).space["C"], tt.Const)
    with pytest.raises(tt.SpaceError, match="C: an empty list"):
        Parameters.of({"C": []}, SVC())


# ── choices between objects, and what is under them ──────────────────────────────────────────────────────────────────

SWAP = {
    "svm": (SVC(), {"C": "1e-3..1e3 log", "kernel": tt.Choice({"rbf": {"gamma": "1e-4..1.0 log"}, "linear": {}})}),
    "forest": (RandomForestClassifier(), {"max_depth": "2..20"}),
    "logistic": LogisticRegression(),
}


@pytest.mark.parametrize(
    "space",
    [{"clf": SWAP}, {"clf": tt.Choice(SWAP)}, tt.Space({"clf": tt.Choice(SWAP)})],
    ids=["dict", "Choice", "Space"],
)
def test_a_step_is_swapped_with_settings_of_its_own(space: object) -> None:
    seen = set()
    for params in drawn(Parameters.of(space, pipe()), 80):
        kind = type(params["clf"]).__name__
        if kind == "SVC":
            names = {"clf", "clf__C", "clf__kernel"} | ({"clf__gamma"} if params["clf__kernel"] == "rbf" else set())
        else:
            names = {"clf", "clf__max_depth"} if kind == "RandomForestClassifier" else {"clf"}
        assert set(params) == names
        seen.add((kind, params.get("clf__kernel")))
    assert len(seen) == 4


def test_conditions_by_when_work_as_in_any_space() -> None:
    space = {
        "clf": tt.Choice({"svm": SVC(), "forest": RandomForestClassifier()}),
        "clf__C": tt.Float(1e-3, 1e3, log=True, when="clf == 'svm'"),
        "clf__max_depth": tt.Int(2, 9, when={"clf": "forest"}),
    }
    for params in drawn(Parameters.of(space, pipe())):
        assert set(params) == {"clf", "clf__C" if isinstance(params["clf"], SVC) else "clf__max_depth"}


def test_settings_under_a_plain_label_stand_beside_it() -> None:
    space = {"kernel": tt.Choice({"rbf": {"gamma": [0.1, 1.0]}, "poly": {"degree": [2, 3]}, "linear": {}})}
    names = {p["kernel"]: set(p) - {"kernel"} for p in drawn(Parameters.of(space, SVC()))}
    assert names == {"rbf": {"gamma"}, "poly": {"degree"}, "linear": set()}


def test_a_list_of_spaces_is_one_of_them() -> None:
    space = [{"kernel": ["rbf"], "gamma": stats.loguniform(1e-4, 1)}, {"kernel": ["poly"], "degree": [2, 3]}]
    names = {p["kernel"]: set(p) - {"kernel"} for p in drawn(Parameters.of(space, SVC()))}
    assert names == {"rbf": {"gamma"}, "poly": {"degree"}}
    assert Parameters.of([{"C": [1, 2]}], SVC()).space.names == ("C",)


# ── the estimator's own settings ─────────────────────────────────────────────────────────────────────────────────────


def test_the_estimators_values_are_the_defaults_where_the_space_holds_them() -> None:
    parameters = Parameters.of({"C": "0.1..10.0 log", "degree": tt.Int(1, 5, default=2), "gamma": "0.1..1.0"}, SVC(C=3))
    assert parameters.space["C"].default == 3.0
    assert parameters.space["degree"].default == 2  # the user's own word stays
    assert parameters.space["gamma"].default is None  # "scale" is no number
    assert parameters.baseline(SVC(C=3)) is None
    assert Parameters.of({"C": "0.1..10.0"}, SVC(), defaults=False).space["C"].default is None


def test_the_baseline_knows_objects_and_none() -> None:
    parameters = Parameters.of({"clf": SWAP, "scale": [MinMaxScaler(), StandardScaler()]}, pipe())
    own = parameters.baseline(pipe())
    assert own is None  # gamma="scale" again
    forest = Pipeline([("scale", StandardScaler()), ("clf", RandomForestClassifier(max_depth=5))])
    assert Parameters.of({"clf": SWAP}, forest).baseline(forest) == {"clf": "forest", "clf.forest.max_depth": 5}
    depths = Parameters.of({"max_depth": [None, 3, 10]}, RandomForestClassifier())
    assert depths.baseline(RandomForestClassifier()) == {"max_depth": None}
    steps = Parameters.of(
        {"reduce": ["passthrough", PCA(2)]}, (p := Pipeline([("reduce", "passthrough"), ("clf", SVC())]))
    )
    assert steps.baseline(p) == {"reduce": "passthrough"}


# ── distributions ────────────────────────────────────────────────────────────────────────────────────────────────────

QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


@pytest.mark.parametrize(
    ("distribution", "off"),
    [
        (stats.uniform(2, 3), 0.0),
        (stats.uniform(loc=-1, scale=2), 0.0),
        (stats.loguniform(1e-4, 1e2), 0.0),
        (stats.reciprocal(1e-4, 1e2), 0.0),
        (stats.loguniform(1, 10, scale=3), 0.0),
        (stats.norm(10, 2), 1e-4),
        (stats.halfnorm(1, 2), 1e-4),
        (stats.truncnorm(-1, 2, loc=5, scale=2), 1e-9),
        (stats.lognorm(0.8, scale=3), 1e-4),
        (stats.beta(2, 5, loc=1, scale=2), 1e-9),
        (stats.expon(scale=100), 0.025),
    ],
    ids=lambda d: getattr(getattr(d, "dist", None), "name", ""),
)
def test_a_distribution_draws_as_before(distribution: object, off: float) -> None:
    space = tt.Space({"x": domain_of(distribution, "x")})
    values = [c["x"] for c in space.decode(space.from_unit(QUANTILES[:, None]))]
    np.testing.assert_allclose(distribution.cdf(values), QUANTILES, atol=off + 1e-9)


def test_randint_leaves_its_end_out() -> None:
    assert domain_of(stats.randint(1, 11), "n") == tt.Int(1, 10)
    assert domain_of(stats.randint(1, 11, loc=5), "n") == tt.Int(6, 15)
    assert domain_of(stats.randint(3, 4), "n") == tt.Const(3)
    assert 6 < EXPON < 7


@pytest.mark.parametrize(
    ("distribution", "mend"),
    [
        (stats.gamma(2.0), r'gamma of scipy.stats .* "x": tt.Float\(0.15, 6.6, log=True\)'),
        (stats.poisson(20), r'poisson of scipy.stats .* "x": tt.Int\(10, 31\)'),
        (stats.loguniform(1, 10, loc=5), r"tt.Float\(6, 15, log=True\)"),
        (stats.t(3), r"tt.Float\(-4.5, 4.5\)"),
    ],
)
def test_what_has_no_counterpart_names_the_range_to_type(distribution: object, mend: str) -> None:
    with pytest.raises(tt.SpaceError, match=mend):
        domain_of(distribution, "x")


def test_anything_that_can_only_be_drawn_from_is_refused() -> None:
    class Own:
        def rvs(self, random_state: object = None) -> float:
            return 1.0

    with pytest.raises(tt.SpaceError, match=r"C: .* can only be drawn from.*tt.Float\(low, high\)"):
        Parameters.of({"C": Own()}, SVC())
