"""Pictures as files: text that stays text, letters that the font lacks."""

import warnings

from matplotlib.figure import Figure

from benchmark.report import figures
from benchmark.report.output import missing_letters_named_once


def test_letters_that_the_font_lacks_are_told_once_and_stay_in_the_svg(tmp_path, recwarn):
    figure = Figure()
    figure.text(0.1, 0.5, "情感 $5 情")
    figures.save(figure, tmp_path, "one")
    (told,) = [str(at.message) for at in recwarn]
    assert told.startswith("pictures show boxes for 情感,")
    assert "情感 $5 情" in (tmp_path / "one.svg").read_text(encoding="utf-8")


def test_other_warnings_while_drawing_are_handed_on(recwarn):
    with missing_letters_named_once():
        warnings.warn("something else", FutureWarning, stacklevel=1)
    (told,) = recwarn
    assert (str(told.message), told.category) == ("something else", FutureWarning)
