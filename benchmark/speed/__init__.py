"""`python -m benchmark speed`: how fast it works on this machine."""
