"""Two folders that lie beside the packages in a checkout, and inside them where serkit is installed.

pyproject.toml can say either which packages are found or where one lies, not both.
"""

from setuptools import find_packages, setup

INSIDE = {"benchmark.cases": "cases", "benchmark.docs": "docs"}

setup(packages=[*find_packages(include=["serkit*", "benchmark*"]), *INSIDE], package_dir=INSIDE)
