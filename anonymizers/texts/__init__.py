"""Free texts: what in them identifies somebody, and how it is taken out."""
