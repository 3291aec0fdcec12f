"""What to try next: one file a method, found by name."""

from trimtab.search._registry import SEARCHERS, describe, searcher

__all__ = ["SEARCHERS", "describe", "searcher"]
