"""A reader for studies that are never run: any number of folds, as the study says."""

TITLE = "made"
PAGE = "docs/corpora.md"
OPTIONS = {"folds": (), "labels": ()}
RATE_HZ = CHANNELS = ()


def is_here(folder):
    return False


def folds(**options):
    """Nothing is known of them before the corpus is read."""


def read(folder, **options):
    raise AssertionError("nothing to read")


def facts(corpus, **options):
    return {}
