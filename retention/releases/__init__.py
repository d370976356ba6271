"""Releases: anonymised statistics, declared in one document, built, audited, published, verified.

Write, audit, publish: ``build`` writes a release into quarantine, ``audit`` attacks its bytes,
``publish`` lets out only bytes that passed. The archive, the vault and the keys are never opened.
"""
