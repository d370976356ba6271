"""Attacks on a release, and leaks looked for in it: what the gate asks before publication."""
