"""The documents against the checkout: links, names, commands and study files that they show. No network."""

import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import click
import pytest

from benchmark import cli
from benchmark import study as studies
from tools.roomnet import __main__ as roomnet
from tools.speed import __main__ as speed

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "results" / "README.md"])
READING = ROOT / "docs" / "reading-the-paper.md"

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
BLOCK = re.compile(r"(?:^ {4}.*\n(?:[ ]*\n(?= {4}))*)+", re.MULTILINE)

TOOLS = {("python", "-m", "tools.speed"): speed.main, ("python", "-m", "tools.roomnet"): roomnet.main}

SHOWN = tomllib.loads((ROOT / "tests" / "shown_commands.toml").read_text(encoding="utf-8"))
"""What the documents show to be typed, by what becomes of it."""
PROGRAMS = "pytest python make serbench ray sbatch srun pip git export eval mkdir cd".split()
TYPED = re.compile(rf"^(?:[A-Z_]+=\S+ )*(?:{'|'.join(PROGRAMS)}|\.)(?: .*|$)")

EXAMPLE = ("/mine.py", "/test_mine.py")  # which a reader is told to make
"""The reader that the recipe for a corpus makes."""

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def unlisted(text):
    """The text with the indent of list items taken away: what is left is code."""
    return re.sub(r"^ {2,4}(?=[-*] |\d+\. )", "", text, flags=re.MULTILINE)


def anchors(text):
    """As GitHub makes them of headings: lower case, no punctuation, hyphens for spaces."""
    found = []
    for heading in HEADING.findall(BLOCK.sub("", text)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return found


def spans(text):
    """What stands between backticks, on one line."""
    return [" ".join(span.split()) for span in SPAN.findall(BLOCK.sub("\n", text))]


def commands(text):
    """Every line of a block and every span, cut into words; comments are none."""
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()] + spans(text)
    for line in lines:
        if re.search(r"python -m (?:benchmark|tools\.\w+)\b|\bserbench\b|\bpytest\b|^\s*make \w", line):
            try:
                yield shlex.split(line, comments=True)
            except ValueError:  # half of a quotation
                yield line.split()


def behind(words, program):
    """The words behind each call of a program in a command, up to where the shell ends it."""
    for position in range(len(words)):
        if words[position : position + len(program)] == program:
            rest = words[position + len(program) :]
            ends = [rest.index(end) for end in ("|", "||", "&&", ";", ">") if end in rest]
            yield rest[: min(ends, default=len(rest))]


def heredocs(document):
    """What a document shows to be typed that goes over several lines."""
    blocks = map(textwrap.dedent, BLOCK.findall((ROOT / "docs" / document).read_text(encoding="utf-8")))
    return re.findall(r"^\S[^\n]* <<'END'\n.*?^END\n", "".join(blocks), re.MULTILINE | re.DOTALL)


def test_what_is_shown_to_be_typed_is_listed_with_what_becomes_of_it():
    listed = [*SHOWN["typed"], *SHOWN["collected"], *SHOWN["elsewhere"], *SHOWN["nowhere"]]
    lines = [
        line.strip()
        for document in DOCUMENTS
        for block in BLOCK.findall(unlisted(document.read_text()))
        for line in block.splitlines()
    ]
    shown = {re.sub(r"\s+#.*", "", line) for line in lines if TYPED.match(line)}
    assert set(listed) == shown
    assert len(set(listed)) == len(listed)
    for command, by in SHOWN["elsewhere"].items():
        assert (ROOT / by).is_file(), command


@every_document
def test_links_lead_somewhere(document):
    for target in LINK.findall(BLOCK.sub("\n", document.read_text())):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        to = (document.parent / path).resolve() if path else document
        assert to.exists(), target
        assert not anchor or anchor in anchors(to.read_text()), target


@every_document
def test_files_that_are_named_are_there(document):
    for span in spans(document.read_text()):
        if re.fullmatch(r"(serkit|benchmark|cases|tools|tests|docs|results|\.ci)/[\w./*-]+", span):
            made = span.startswith("results/") and span != "results/README.md"  # by a command, not kept
            assert made or span.endswith(EXAMPLE) or list(ROOT.glob(span.rstrip("/"))), span


@every_document
def test_code_that_is_named_is_there(document):
    """Modules, what they define, and tests: looked up as text, nothing is imported."""
    tests = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("*.py")))
    for span in spans(document.read_text()):
        if re.fullmatch(r"test(_[a-z0-9]+){2,}", span):  # with one word it is a column
            assert re.search(rf"^ *def {span}\w*\(", tests, re.MULTILINE), span
        if re.fullmatch(r"(serkit|benchmark|tools)(\.\w+)+(\(.*\))?", span) and not span.endswith(".toml"):
            parts = span.partition("(")[0].split(".")
            depth = max(
                n
                for n in range(1, len(parts) + 1)
                if (path := ROOT.joinpath(*parts[:n])).is_dir() or path.with_suffix(".py").is_file()
            )
            path = ROOT.joinpath(*parts[:depth])
            source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
            for name in parts[depth:]:
                assert re.search(rf"^\s*(def|class) {name}\b|^\s*{name}\b.*=", source, re.MULTILINE), span


@every_document
def test_environment_variables_that_are_named_are_read(document):
    sources = "".join(
        path.read_text() for folder in ("serkit", "benchmark") for path in (ROOT / folder).rglob("*.py")
    )
    for name in set(re.findall(r"SERKIT_[A-Z]+", document.read_text())):
        assert f'"{name}"' in sources, name


@every_document
def test_commands_and_options_are_there(document):
    for words in commands(unlisted(document.read_text())):
        programs = {("python", "-m", "benchmark"): cli.main, ("serbench",): cli.main} | TOOLS
        calls = [(main, rest) for program, main in programs.items() for rest in behind(words, list(program))]
        for command, arguments in calls:
            for word in arguments:
                if word.isupper():  # stands for any
                    break
                if isinstance(command, click.Group) and not word.startswith("-"):
                    assert word in command.commands, " ".join(words)
                    command = command.commands[word]
            known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
            _check_options(words, arguments, known | (OF_PYTEST if command is cli.run else set()))


def leaves(group, name=""):
    """Every command that does something, by the words that call it."""
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


def test_every_command_is_documented_with_options_that_it_has():
    found = {}
    text = (ROOT / "docs" / "command-line.md").read_text()
    for call, options in re.findall(r"^\| `([a-z][^`]*)` \|[^|]*\|([^|]*)\|", text, re.MULTILINE):
        found[re.sub(r" [A-Z[].*", "", call)] = re.findall(r"--[\w-]+", options)
    commands = dict(leaves(cli.main))
    assert set(found) == set(commands)
    for name, options in found.items():
        assert set(options) <= {option for each in commands[name].params for option in each.opts}, name


OF_PYTEST = {"-n", "-k", "-m", "-q", "-x", "-rs", "--collect-only", "--dist", "--dist=worksteal"}


@every_document
def test_pytest_options_and_marks_are_there(document):
    session = ROOT / "benchmark" / "session"
    plugin = "".join(path.read_text() for path in (session / "plugin.py", *session.glob("engines/*.py")))
    ours = set(re.findall(r'^\s+(?:group.addoption\()?"(--[\w-]+)"[,:]', plugin, re.MULTILINE))
    assert "--study" in ours
    for words in commands(unlisted(document.read_text())):
        for arguments in behind(words, ["pytest"]):
            _check_options(words, arguments, ours | OF_PYTEST)
            if "-m" in arguments[:-1]:
                expression = arguments[arguments.index("-m") + 1]
                assert set(expression.split()) - {"and", "or", "not"} <= set(studies.exhibits()), words


def _check_options(words, arguments, known):
    for option in (word for word in arguments if re.match(r"--?[a-zA-Z]", word)):
        assert option.partition("=")[0] in known or option in known, f"{option} in: {' '.join(words)}"
    if "--study" in arguments[:-1]:
        name = arguments[arguments.index("--study") + 1]
        assert name in (*studies.names(), "NAME") or name.endswith(".toml"), " ".join(words)


@every_document
def test_make_targets_are_there(document):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in commands(unlisted(document.read_text())):
        if words[:1] == ["make"]:
            assert words[1] in targets, words


def test_the_findings_quote_the_report_of_the_real_study():
    readme = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    report = ROOT / "results" / "open-small" / "report.md"
    said = report.read_text(encoding="utf-8").replace("\\", "")
    quoted = re.findall(r"(?:^>.*\n)+", readme, re.MULTILINE)
    paragraphs = [
        part for block in quoted for part in re.sub("^> ?", "", block, flags=re.MULTILINE).split("\n\n")
    ]
    assert len(paragraphs) == 1, "a verdict"
    for paragraph in paragraphs:
        assert " ".join(paragraph.split()) in said
    claims = re.findall(
        r"^\| ([^|]+) \| (holds|does not hold|cannot be told) \| (.*) \|$", readme, re.MULTILINE
    )
    assert claims
    for claim, answer, _ in claims:
        assert re.search(rf"\| {re.escape(claim)} +\| {answer} ", said), claim


def test_the_readmes_tree_is_the_checkouts():
    text = (ROOT / "README.md").read_text()
    tree = text.partition("## The tree")[2].partition("\n## ")[0]
    named = re.findall(r"^ {4}(\w+)/", tree, re.MULTILINE)
    folders = {path.parent.name for path in ROOT.glob("*/*.py")} | {"docs", "results"}
    assert set(named) == folders
    of_docs = re.search(r"^ {4}docs/\s+((?:.*\n)(?: {8,}.*\n)*)", tree, re.MULTILINE)
    assert of_docs
    assert set(re.findall(r"[\w-]+", of_docs[1])) <= {path.stem for path in ROOT.glob("docs/*.md")}


@every_document
def test_studies_that_are_shown_are_studies(document):
    """Whole files (they begin with a title) are read as pytest reads them."""
    for block in BLOCK.findall(document.read_text()):
        if re.match(r" {4}title = ", block):
            assert studies.plan(studies.from_toml(tomllib.loads(block), "shown"))


def test_tables_of_encoders_can_be_read():
    """Each block of docs/encoders.md with tables of a study, as part of one; alternatives one by one."""
    study = {"title": "Shown", "table1": {"train": [["one"]]}}
    study["corpora"] = {"one": {"reader": "synthetic", "options": {"role": "A"}}}
    blocks = BLOCK.findall((ROOT / "docs" / "encoders.md").read_text())
    blocks = [textwrap.dedent(block) for block in blocks if re.search(r"^ {4}\[\w+", block)]
    ways, several = re.compile(r"^encoder = .*$", re.MULTILINE), 0
    for block in blocks:
        given = ways.findall(block)
        alternatives = given if "[encoders" not in block and given else [None]
        for way in alternatives:
            text = (
                ways.sub(lambda found, way=way: found[0] if found[0] == way else "", block) if way else block
            )
            assert studies.plan(studies.from_toml(study | tomllib.loads(text), "shown")), text
            several += 1
    assert several >= 7


# --- docs/reading-the-paper.md ---

PAPER = tomllib.loads((studies.BUILT_IN / "paper.toml").read_text())
POINTS = 15
# What a point's lines change: trainings at 0 %, trainings above, measurements raw, measurements augmented.
ALL, AUGMENTED, CORPUS = (True, True, False, False), (False, True, False, True), (True, True, True, True)
CHANGES = {2: ALL, 3: CORPUS, 4: ALL, 5: ALL, 6: ALL, 7: ALL, 9: ALL, 10: ALL, 11: AUGMENTED, 12: AUGMENTED}
CHANGES |= {13: ALL, 14: (True, False, False, False), 15: (False, False, True, True)}


def sections():
    """Number -> text of each open point."""
    text = READING.read_text()
    found = re.findall(r"^## (\d+)\. .+\n((?:(?!## ).*\n)*)", text, re.MULTILINE)
    return {int(number): body for number, body in found}


def merged(study, lines):
    """The study with a table's lines in place of its own, as a user would put them."""
    return study | {
        key: merged(study.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in lines.items()
    }


def kinds(plan):
    """The plan's specs: trainings at 0 % and above, measurements raw and augmented."""
    parted = [set(), set(), set(), set()]
    for case in plan:
        of_measurement = case.spec.label.startswith("acoustics-")
        parted[2 * of_measurement + (case.spec.augmentation is not None)].add(case.spec)
    return parted


@pytest.fixture(scope="module")
def paper():
    return kinds(studies.plan(studies.from_toml(PAPER, "paper")))


def test_every_point_has_its_section_in_order():
    assert list(sections()) == list(range(1, POINTS + 1))
    for number, text in sections().items():
        labels = re.findall(r"^\*\*([\w ]+)\.\*\*(?: |$)", text, re.MULTILINE)
        assert labels == ["Evidence", "Here", "Switch", "Which way"], number
    listed = re.findall(r"^\| \[(\d+)\]\(#(\d+)-", READING.read_text(), re.MULTILINE)
    assert listed == [(str(number), str(number)) for number in range(1, POINTS + 1)]


def test_every_point_with_a_switch_shows_its_lines():
    assert {number for number, text in sections().items() if BLOCK.search(text)} == set(CHANGES)
    for number in set(sections()) - set(CHANGES):
        assert "**Switch.** None" in sections()[number]


@pytest.mark.parametrize("number", CHANGES)
def test_the_lines_of_a_point_switch_it(number, paper):
    (block,) = BLOCK.findall(sections()[number])
    switched = kinds(studies.plan(studies.from_toml(merged(PAPER, tomllib.loads(block)), "switched")))
    assert tuple(bool(new - old) for new, old in zip(switched, paper, strict=True)) == CHANGES[number]
