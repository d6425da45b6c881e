"""The subcommands of ``soundmind``, one a module; each exposes a ``click.Command``."""
