"""Where a request comes in: documents, files and commands, read, cleaned, and matched with records."""
