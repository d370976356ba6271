"""Carrying a plan out: archive, pseudonymise, delete; each repeatable."""
