"""Cases as pytest items. The plugin's hooks are in `earwitness.pytest_plugin`, and here too for `-p harness.plugin`."""

from earwitness.pytest_plugin import pytest_addoption, pytest_collect_file, pytest_configure, pytest_configure_node

__all__ = ["pytest_addoption", "pytest_collect_file", "pytest_configure", "pytest_configure_node"]
