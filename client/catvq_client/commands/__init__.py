"""The subcommands of `catvq`, one module for each kind of thing they act on."""
