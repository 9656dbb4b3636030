"""Beside the product, for those who work on it: never imported by serkit or benchmark, never installed."""
