"""Who may import whom: what stands below in LAYERS from what stands above."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A module may import what stands in its own line or above. Of two names that fit it, the longer one counts.
LAYERS = """
serkit.words serkit.errors serkit.files serkit.later serkit.signals    words, files, imports, signals
serkit.settings serkit.labels serkit.effects serkit.specs   what a run is, as plain data
serkit.worlds                                               speech that is made
serkit.corpora                                              what every corpus becomes
serkit.containers serkit.audio serkit.packs serkit.clips    clips, decoded and packed
serkit.doctor                                               what is wrong with them
serkit.device serkit.streams serkit.reverb serkit.augment
serkit.provenance serkit.state                              a training in mid-course
serkit.encoders serkit.heads serkit.loader serkit.normalising
serkit.steps serkit.embeddings serkit.metrics serkit.probe serkit.train
serkit.resultfile serkit.bundle serkit.keeping serkit.results serkit.index serkit.results_table
serkit.merged serkit.leftovers                                of results that lie there
serkit.acoustics
serkit.job serkit.splits                                    what a training and a measurement share
serkit.trained                                              a network that is kept
serkit.run serkit.outside serkit                            joins: run, measure; runs from elsewhere
benchmark.beside benchmark.study_file benchmark.study benchmark.starter
benchmark.options benchmark.session.progress benchmark.session.checks
benchmark.session.pace benchmark.session.status
benchmark.report
benchmark.session benchmark.plan benchmark.listen benchmark.predictions benchmark.completeness benchmark.clean
benchmark                                                   the command line
cases
tools
"""
PLACE = {
    word: place
    for place, line in enumerate(LAYERS.strip().splitlines())
    for word in line.split()
    if word.split(".")[0] in ("serkit", "benchmark", "cases", "tools") and word[-1] not in ":,"
}


def place(name):
    """The line of a module: that of the longest name that is it or a package it lies in."""
    while name not in PLACE:
        name = name.rpartition(".")[0]
    return PLACE[name]


def modules(package):
    """Name -> file of every module of a package."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = {package: modules(package) for package in ("serkit", "benchmark", "cases", "tools")}
EVERY = {name: path for of in SOURCES.values() for name, path in of.items()}


@functools.cache
def parsed(path):
    """A source file, parsed once for all that is asked of it."""
    return ast.parse(path.read_text())


@functools.cache
def imports(path):
    """Every module that a file imports, at its top or inside; a name that is one of our modules is one."""
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.append(inner if inner in EVERY else node.module)
    return tuple(found)


def test_there_is_something_to_look_at():
    assert len(SOURCES["serkit"]) > 20
    assert len(SOURCES["benchmark"]) > 8
    assert "serkit.train" in set(imports(EVERY["serkit.run"]))
    inside_a_function = "benchmark.report.write"
    assert inside_a_function in imports(EVERY["benchmark.session.controller"])


@pytest.mark.parametrize(
    ("package", "barred"),
    [
        ("serkit", {"benchmark", "cases", "tools", "tests", "pytest", "_pytest", "xdist"}),
        ("benchmark", {"cases", "tools", "tests"}),
        ("cases", {"tools", "tests"}),
        ("tools", {"cases", "tests"}),
    ],
)
def test_imports_point_one_way(package, barred):
    found = {name: {word.split(".")[0] for word in imports(path)} for name, path in SOURCES[package].items()}
    assert {name: words & barred for name, words in found.items() if words & barred} == {}


@pytest.mark.parametrize("name", sorted(name for name in EVERY if name not in SOURCES))
def test_imports_point_up(name):
    wrong = [
        word
        for word in imports(EVERY[name])
        if word in EVERY and word not in SOURCES and place(word) > place(name)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ["serkit", "benchmark", "tools"])
def test_no_cycles(package):
    graph = {
        name: {word for word in imports(path) if word in SOURCES[package]}
        for name, path in SOURCES[package].items()
    }
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(graph)  # raises CycleError


@pytest.mark.parametrize(
    "name",
    [
        "serkit",
        "serkit.specs",
        "serkit.results",
        ", ".join(
            name for name in SOURCES["serkit"] if name.startswith("serkit.corpora.")
        ),  # a plan asks for options
        "benchmark.study",
        "benchmark.session.plugin",
        "benchmark.session.checks",
        "benchmark.cli, benchmark.predictions",
    ],
)
def test_light_modules_stay_light(name, fresh_python):
    code = f"import sys, {name}; print(*{{'torch', 'pandas', 'sklearn', 'numpy'}} & set(sys.modules))"
    told = fresh_python(code)
    assert (told.returncode, told.stdout.split(), told.stderr) == (0, [], "")


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_module_says_what_it_is(name):
    assert ast.get_docstring(parsed(EVERY[name]))


def test_no_room_without_a_name():
    vague = {"utils", "util", "core", "common", "helpers", "misc", "base"}
    assert not {part for name in EVERY for part in name.split(".")} & vague


def texts_without_encoding(tree):
    """Lines that read or write text as the locale has it: UTF-8 here, ASCII or Latin-1 elsewhere."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        of_os = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") == "os"
        if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile") and not (
            of_os and name == "open"
        ):
            words = [at.value for at in [*call.args, given.get("mode")] if isinstance(at, ast.Constant)]
            modes = [word for word in words if isinstance(word, str) and set(word) <= set("rwxabt+")]
            text = "b" not in (modes or ["b" if "Temporary" in name else "r"])[-1]
        else:
            of_path = isinstance(call.func, ast.Attribute) and name in ("read_text", "write_text")
            text = of_path or (name in ("run", "Popen", "check_output") and "text" in given)
        if text and "encoding" not in given:
            yield call.lineno


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("path.read_text()", True),
        ("read_text(path)", False),
        ("path.write_text('x', encoding='utf-8')", False),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("path.open('a')", True),
        ("os.open(path, os.O_RDONLY)", False),
        ("os.fdopen(number, 'w')", True),
        ("tempfile.TemporaryFile()", False),
        ("subprocess.run(['git'], text=True)", True),
    ],
)
def test_a_text_without_encoding_is_seen(line, found):
    assert bool(list(texts_without_encoding(ast.parse(line)))) == found


@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_text_is_utf_8(name):
    assert list(texts_without_encoding(parsed(EVERY[name]))) == []
