"""Where the data live: systems, tables, columns, events, owners and links."""
