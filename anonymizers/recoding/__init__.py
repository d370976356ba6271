"""Microdata: recodings on weighted distinct tuples, privacy models, loss and risk."""
