"""Where logs live: in memory, or in SQLite or PostgreSQL. Nothing here knows what the events mean."""

from __future__ import annotations

from trimtab.storage.memory import Memory

__all__ = ["Memory"]
