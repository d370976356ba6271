"""Dagster's definitions: what runs, when, and with what."""
