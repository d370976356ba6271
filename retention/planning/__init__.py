"""Plans: which rows change phase, counted and digested, nothing touched."""
