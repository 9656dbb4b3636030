"""serkit: the core library of the benchmark (corpora, audio, model, training, metrics, results).

Imports nothing, so that planning a study costs no time: import the module you need.
"""

__version__ = "0.1.0"
