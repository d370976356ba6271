"""The re-scan: does anything of the person stand where no outcome explains it? By value, on its own way."""
