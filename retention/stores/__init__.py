"""The orchestrator's own stores: control, cases, archive, vault and keys."""
