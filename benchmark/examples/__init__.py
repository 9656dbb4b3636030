"""Encoders of one's own, as a study may name them (docs/encoders.md)."""
