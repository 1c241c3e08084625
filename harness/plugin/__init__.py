"""The pytest plugin. Its entry point is `harness.plugin`, this very name: pytest refuses another beside `pytest_plugins`."""

from harness.plugin.hooks import pytest_addoption, pytest_collect_file, pytest_configure

__all__ = ["pytest_addoption", "pytest_collect_file", "pytest_configure"]
