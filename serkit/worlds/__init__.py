"""Generated speech, of which everything is known."""
