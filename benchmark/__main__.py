"""`python -m benchmark`."""

from benchmark.cli import main

main(prog_name="python -m benchmark")
