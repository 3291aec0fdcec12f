"""From cells to a verdict: statistics, tables, pictures."""
