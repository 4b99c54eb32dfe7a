"""The command line: one file for each group of commands, importing what they need inside."""
