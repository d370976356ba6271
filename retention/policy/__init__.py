"""The policy table, its calendar, and the decision in Python and in SQL."""
