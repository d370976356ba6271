"""Data subjects' requests: from intake to answer. Carried out by the executor of the daily run."""
