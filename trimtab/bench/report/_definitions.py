"""How the numbers of a report are computed, in words."""

DEFINITIONS = (
    (
        "Regret",
        "(y − best) / (reference − best), where y is the true value, without noise and at full fidelity, of the "
        "best configuration evaluated so far. 0 is the best value known; 1 is the median of a single random "
        "evaluation. Both constants are frozen for each task, so a result does not change when another optimizer is "
        "added. In the means it is cut to [0, 1]; a run that has found nothing yet counts 1.",
    ),
    (
        "IQM",
        "The interquartile mean: of all runs on all tasks, the lowest and the highest quarter are left out and the "
        "rest is averaged. One run that failed does not move it as it does a mean, and it needs fewer runs than a "
        "median.",
    ),
    (
        "Intervals",
        "95 %, by a stratified bootstrap: the runs of each task are drawn anew, the tasks stay. They say how much "
        "other seeds would change the number, not how much other tasks would. Fewer than three runs of a task give "
        "none.",
    ),
    (
        "Mean rank",
        "On each task the expected rank over all combinations of runs, 1 + Σ over the others of P(other is better) "
        "+ ½ P(tie); averaged over the tasks that every optimizer of the table has run. Ranks depend on who takes "
        "part.",
    ),
    (
        "log-AUC",
        "The mean of the regret, cut to [0, 1], from the first evaluation to the last budget over the logarithm of the "
        "evaluations: the exact area under the steps, where each doubling of the budget counts alike. It tells how "
        "good an optimizer is wherever one stops; the mean over runs and tasks, without runs that were given less.",
    ),
    (
        "vs random",
        "The regret divided by that of random search's median after as many evaluations: 1 is no better than random "
        "search, 0.5 is half its regret.",
    ),
    (
        "Curves",
        "The geometric mean over tasks and runs of max(regret, 0.0001), read off the exact steps: a value counts "
        "from the evaluation that found it on, and never before.",
    ),
    (
        "Solved",
        "The share of runs that ended within 0.0001 of the best known value, on tasks alike: there the curves reach "
        "their floor, and smaller differences are not drawn.",
    ),
    (
        "Which ranks can be told apart",
        "Friedman's test over tasks, then a test of every pair; optimizers joined by a bar are not separated at 5 "
        "%. What is joined is not shown to be equal: there may be too few tasks.",
    ),
    (
        "Probability of improvement",
        "The mean over tasks of the share of pairs of runs in which the row is better than the column; a tie counts "
        "half.",
    ),
    (
        "Runtime ECDF",
        "Of 51 targets between regret 1 and 0.001 on every task, the share that was reached within so many "
        "evaluations; a run that missed a target is followed by another, drawn at random.",
    ),
    (
        "Expected evaluations to a regret",
        "On a task: all that its runs spent, up to the hit or else to their end, divided by the number of runs that "
        "came there (ERT). Told is the median over the tasks that all the ranked optimizers ran; the JSON document "
        "holds each task's.",
    ),
    (
        "Performance profile",
        "The share of runs whose regret at the last budget is at most τ. It shows what a single number hides.",
    ),
    (
        "Several objectives",
        "Values are brought to (value − ideal) / (nadir − ideal). Regret is the hypervolume (reference point 1.1) "
        "that is missing to the best known front. IGD+ is the mean distance by which the points of a front are not "
        "reached; the front is that of all these runs together, so it compares within this report only. 0 is best "
        "for both.",
    ),
    (
        "Equal cost",
        "Where trials may be stopped early, an evaluation counts as the share of its steps that were run: two "
        "trials of half the epochs are one evaluation.",
    ),
    (
        "CPU a suggestion",
        "CPU seconds inside the optimizer, without the task's own, on one thread. Comparable only between runs on "
        "one machine.",
    ),
    (
        "better, worse, can't tell",
        "The ratio of two optimizers' regrets, geometric means over the tasks that both have run. The word follows "
        "its 95 % interval, which speaks of other seeds on these tasks: all of it below 1 is better, all above 1 "
        "worse.",
    ),
)
