"""A pytest session that trains what a study asks for."""
