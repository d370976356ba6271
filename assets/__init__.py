"""The asset graph: one asset per stage and table, made from the catalogue; a module a stage.

Asset modules call ``retention`` and turn its answer into metadata. They hold no business
rule, and hand on references only: no frame, no row and no key passes through Dagster.
"""
