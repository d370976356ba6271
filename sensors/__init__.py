"""Dagster's sensors: what happens in answer to something, not to the hour."""
