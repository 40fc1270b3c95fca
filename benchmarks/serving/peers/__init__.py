"""The same model, served as each tool's documentation shows it."""
