"""The casebook: the requests, their states and deadlines, what was found and done, and what is kept of it."""
