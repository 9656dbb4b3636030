"""Pictures as files: text that stays text, letters that the font lacks."""

import warnings

import pytest
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


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two folders, each with the files of a picture drawn for itself."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "again")]
    for folder in folders:
        with figures.drawn("A title", "A legend", (2, 2), 1, 1) as (figure, ((panel,),)):
            panel.plot([0, 1, 2], [1, 0, 3], marker="o", label="ONE")  # its line is clipped, its marker kept
            panel.bar([0, 1], [1, 2], hatch="//")
            panel.legend()
        figures.save(figure, folder, "one")
    return folders


@pytest.mark.parametrize("ending", figures.UNDATED)
def test_a_picture_is_the_same_file_each_time(saved, ending):
    first, again = ((folder / f"one.{ending}").read_bytes() for folder in saved)
    assert first == again


def test_text_in_a_picture_stays_text(saved):
    svg, pdf = ((saved[0] / f"one.{ending}").read_bytes() for ending in ("svg", "pdf"))
    assert b"<text" in svg
    assert pdf.startswith(b"%PDF")
    assert b"/TrueType" in pdf or b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf, "publishers refuse such fonts"


def test_other_warnings_while_drawing_are_handed_on(recwarn):
    with missing_letters_named_once():
        warnings.warn("something else", FutureWarning, stacklevel=1)
    (told,) = recwarn
    assert (str(told.message), told.category) == ("something else", FutureWarning)
