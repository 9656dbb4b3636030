"""Loads the plugin: options that a plugin adds must be known before pytest reads the command line."""

pytest_plugins = ["benchmark.session.plugin"]
