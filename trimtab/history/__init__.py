"""What has been seen: the effective log as columns, folds, memos and views.

A *raw* log has attempts, owners, late and repeated facts, corrections. The ledger reads it, event by event,
and keeps for the driver what only a driver may know. A History is the face that methods see: effective events
only, smaller is better, no attempts, no process names, no clock, no `test` metrics.
"""

from trimtab.history._ledger import Ledger
from trimtab.history._records import State, Trial
from trimtab.history._reports import Curve
from trimtab.history._row import Row
from trimtab.history._view import History, Levels

__all__ = ["Curve", "History", "Ledger", "Levels", "Row", "State", "Trial"]
