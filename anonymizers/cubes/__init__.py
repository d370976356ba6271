"""Counts and sums by cell: what may be shown of them, now and next month."""
