"""Every error trimtab raises on purpose. Each says what was found, what was meant, and what to type."""

from __future__ import annotations

from collections.abc import Collection


class TrimtabError(Exception):
    """Root of every error raised on purpose."""


class SpaceError(TrimtabError, ValueError):
    """A search space, a domain, a rule or a configuration does not make sense."""


class UnknownName(TrimtabError, LookupError):
    """A name that is not known here; the nearest known one is offered."""

    def __init__(self, name: str, *, among: Collection[str], kind: str) -> None:
        super().__init__(f"No {kind} is called {name!r}. {did_you_mean(name, among)}")
        self.name, self.kind = name, kind


class MissingExtra(TrimtabError, ImportError):
    """An optional package is needed; the message has the line to type."""


class MissingData(TrimtabError, FileNotFoundError):
    """A benchmark needs data that the user brings; the message says where it was looked for."""


class ObjectiveError(TrimtabError):
    """The objective returned or reported something the study can't use."""


class ReportError(ObjectiveError, ValueError):
    """trial.report() was called with something that is no metric or no step."""


class NonFinite(ObjectiveError, ValueError):
    """A value is NaN or infinite: the trial failed, and methods learn from it as a bad one."""


class StudyStopped(TrimtabError):
    """The study stopped itself, because going on would waste the budget."""


class StudyFinished(TrimtabError):
    """ask() after the study is done."""


class StudyMismatch(TrimtabError, ValueError):
    """A stored study and this call disagree about something that can't change."""


class StorageError(TrimtabError):
    """A storage can't be opened, read or written."""


class StorageAway(StorageError):
    """A storage can't be reached for now. What was sent may be stored or not: append it again with the same id."""


class StorageFull(StorageAway):
    """There is no room left where a storage keeps its data: waiting will not mend it."""


class PlaceholderError(TrimtabError, ValueError):
    """A command template names something that does not exist."""


class MetricError(TrimtabError):
    """A program ended well but gave no value for a metric."""


class NoResult(TrimtabError, LookupError):
    """There is no finished trial to answer from."""


class MultiObjective(TrimtabError):
    """A question that has one answer only when there is one objective."""


class Unsupported(TrimtabError, TypeError):
    """A method was combined with something it declares it can't take."""


class Reject(Exception):
    """Raise it in an objective to say: this configuration is infeasible (which is not a bug)."""


def did_you_mean(name: str, among: Collection[str]) -> str:
    """ "Did you mean …?" with the nearest name, or the list of known ones."""
    from difflib import get_close_matches  # a millisecond to import, and errors are rare

    near = get_close_matches(name, list(among), n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(among)) or 'none'}."
