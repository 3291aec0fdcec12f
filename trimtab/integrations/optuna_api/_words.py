"""Optuna's words and trimtab's: one table, for the façade's messages and for the page on migration."""

from __future__ import annotations

from trimtab.errors import Unsupported

WORDS: tuple[tuple[str, str, str], ...] = (
    # Optuna, trimtab, what differs
    ("create_study(study_name=…)", 'tt.Study("name", space, minimize="loss")', "objectives have names"),
    ("direction=, directions=", "minimize=, maximize=", "a metric's name, or a list of names"),
    ("storage=", "storage=", '"study.db" or "postgresql://…"; absent: in memory'),
    ("load_if_exists=True", 'if_exists="resume"', "the default; it says how far the study is"),
    ("sampler=", "searcher=", '"auto", "tpe", "gp", "random", "sobol", … or tt.TPE(…)'),
    ("pruner=", "scheduler=", '"median", "asha", "halving" … or tt.ASHA(…)'),
    ("load_study", "tt.load(storage, name)", ""),
    ("delete_study", "tt.delete(storage, name)", ""),
    ("get_all_study_names, get_all_study_summaries", "tt.studies(storage)", ""),
    ("copy_study", "study.copy(to=…)", "event for event"),
    ("study.optimize(f, n_trials=100)", "study.optimize(f, trials=100)", "trials= is the total; more= so many more"),
    ("n_jobs=", "workers=", "processes, not threads"),
    ("timeout=", "timeout=", 'seconds, or "4h"'),
    ("catch=", "—", "a failing trial never ends a study; three failing first trials do"),
    ("callbacks=[f(study, trial)]", "callbacks=[f(study, event)]", ""),
    ("show_progress_bar=", "display=", ""),
    ("study.ask(), study.tell(trial, value)", "study.ask(), study.tell(trial, {\"loss\": value})", ""),
    ("study.tell(trial, state=FAIL)", 'study.tell(trial, failed="why")', ""),
    ("study.enqueue_trial(params)", "study.enqueue(config)", "the same configuration is queued once"),
    ("study.add_trial(create_trial(…))", "study.add(config, values)", ""),
    ("study.best_trial, best_params, best_value", "study.best, best.config, best.value", ""),
    ("study.best_trials", "study.front", ""),
    ("study.trials, get_trials(states=…)", "study.trials", "trial.state is one plain word"),
    ("study.trials_dataframe()", 'study.to_pandas(style="optuna")', ""),
    ("study.stop()", "study.stop()", "there it ends this call, here the study, for every driver"),
    ("study.set_user_attr, trial.set_user_attr", "study.note(…), trial.note(…)", ""),
    ("study.set_metric_names", "minimize=, maximize=", "objectives have names from the beginning"),
    ("trial.suggest_float(name, low, high)", "tt.Float, trial.float", "declared, or asked for"),
    ("trial.suggest_int", "tt.Int, trial.int", ""),
    ("trial.suggest_categorical", "tt.Choice, trial.choice", "labels may stand for objects or for spaces of their own"),
    ("trial.suggest_uniform, suggest_loguniform", "trial.float(…, log=True)", ""),
    ("trial.suggest_discrete_uniform", "trial.float(…, step=…)", ""),
    ("trial.params", "trial.config", ""),
    ("trial.report(value, step)", "trial.report(loss=value)", "steps are counts of finished steps: Optuna's 0 is 1"),
    ("trial.should_prune(), raise TrialPruned", "trial.should_stop(), trial.steps()", "the last report counts"),
    ("trial.set_constraint, constraints_func=", 'constraints=["memory <= 8"]', "expressions over metrics"),
    ("FixedTrial(params)", "tt.Trial.fixed(config)", ""),
    ("COMPLETE, PRUNED, FAIL, WAITING, RUNNING", "finished, stopped, failed, queued, running", ""),
    ("TPESampler", "tt.TPE", ""),
    ("RandomSampler", '"random"', ""),
    ("GridSampler, BruteForceSampler", '"grid"', "of the declared space"),
    ("QMCSampler", '"sobol", "halton"', ""),
    ("GPSampler", '"gp"', ""),
    ("CmaEsSampler, NSGAIISampler, NSGAIIISampler", '"auto"', "no evolution strategy yet"),
    ("PartialFixedSampler", "study.ask(fixed={…})", "or a Const in the space"),
    ("MedianPruner, PercentilePruner", "tt.Median(grace=…, min_trials=…, share=…)", ""),
    ("SuccessiveHalvingPruner", "tt.ASHA(max=…, min=…, eta=…)", "stops at rungs; max is the length of a full run"),
    ("HyperbandPruner", "tt.ASHA(max=…, brackets=…)", "brackets that stop; nothing is sampled apart"),
    ("NopPruner", '"full"', ""),
    ("PatientPruner, ThresholdPruner, own pruners", "—", "run as they are in the façade"),
    ("WilcoxonPruner", "—", "not yet"),
    ("RDBStorage, InMemoryStorage", 'storage="study.db", storage=None', ""),
    ("JournalStorage", 'storage="study.db"', "any number of processes of one machine; PostgreSQL for several"),
    ("visualization, importance", "trimtab show; study.to_pandas()", "plots come later"),
    ("artifacts", "trial.folder", ""),
    ("terminator", "stop=[tt.Patience(…), tt.Target(…)]", ""),
    ("integration", "trial.report(…); trial.should_stop()", "two lines in any callback"),
    ("search_space", "study.space", ""),
)  # fmt: skip


class NotHere(Unsupported, AttributeError, NotImplementedError):
    """Something of Optuna's that this façade does not have; the message has trimtab's word for it."""


def not_here(what: str, instead: str = "") -> NotHere:
    """The error for a word of Optuna's: with `instead`, or with what the table says."""
    said = instead or _said(what)
    return NotHere(f"{what} is not in trimtab's façade of Optuna. {said}".strip())


def _said(what: str) -> str:
    last = what.rpartition(".")[2].partition("(")[0].rstrip("=")
    for theirs, ours, differs in WORDS:
        if last in theirs.replace("(", " ").replace(",", " ").replace("=", " ").replace(".", " ").split():
            return f"trimtab says {ours}{f' ({differs})' if differs else ''}." if ours != "—" else f"{differs}."
    return "See docs: Migration from Optuna."


def table() -> str:
    """The table as Markdown."""
    rows = [f"| {_code(theirs)} | {_code(ours)} | {differs} |" for theirs, ours, differs in WORDS]
    return "\n".join(["| Optuna | trimtab | what differs |", "|---|---|---|", *rows, ""])


def _code(text: str) -> str:
    return text if text == "—" else f"`{text}`"
