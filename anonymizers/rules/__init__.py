"""Hierarchies made by rule: dates, bands, postcodes, networks, user agents."""
