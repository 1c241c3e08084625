"""The cases are tests: `pytest cases/ -k endpoint_short_hello`."""

pytest_plugins = ["harness.plugin"]
