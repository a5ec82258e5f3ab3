"""The command line: one thin file per command, registered in :mod:`edgebatch.cli.main`."""
