"""What a request wants, planned, and carried out by the executor of the daily run."""
