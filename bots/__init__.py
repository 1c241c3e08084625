"""The participants the harness brings into a room: the probe (a second listener) and the user bot."""
