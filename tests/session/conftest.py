"""What tests of sessions share."""

from tests.made_checkout import checkout  # noqa: F401
