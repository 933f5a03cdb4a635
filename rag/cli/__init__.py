"""The command line: one `cmd_` module per command."""
