"""Subcommands of `catvq`."""
