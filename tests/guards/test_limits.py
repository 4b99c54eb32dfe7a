"""The limits that keep the project readable. Fix the code; raise no limit without a reason."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "trivium"
FILES = sorted(SOURCE.rglob("*.py"))
OTHERS = [path for part in ("tests", "benchmarks") for path in sorted((ROOT / part).rglob("*.py"))]

# A part may import from those before it and from its own, never from those after it.
LAYERS = [
    "version errors", "runtime config", "checkpoint", "report", "data layers",
    "models objectives", "training", "tasks library transcripts", "studies serve recipes", "cli",
]  # fmt: skip


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def length(node: ast.AST) -> int:
    return node.end_lineno - node.lineno + 1


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_guards_see_the_project():
    assert len(FILES) > 20
    assert SOURCE / "data" / "corpus.py" in FILES


@pytest.mark.parametrize("path", [*FILES, *OTHERS], ids=name_of)
def test_a_file_fits_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_function_fits_on_a_page(path):
    long = {node.name: length(node) for node in functions(path) if length(node) > 90}
    assert not long


def test_nearly_all_functions_are_short():
    lengths = [length(node) for path in FILES for node in functions(path)]
    assert sum(lines <= 45 for lines in lengths) >= 0.95 * len(lengths)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_function_has_at_most_eight_parameters(path):
    if path.parent == SOURCE / "cli":
        pytest.skip("an option of a command is a parameter of its function")
    many = {}
    for node in functions(path):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = len([argument for argument in arguments if argument.arg not in ("self", "cls")])
        if count > 8:
            many[node.name] = count
    assert not many


def test_a_folder_has_at_most_ten_files():
    crowded = {}
    for folder in {path.parent for path in FILES}:
        files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        if len(files) > 10 and folder != SOURCE / "data" / "corpora":
            crowded[name_of(folder)] = sorted(files)
    assert not crowded


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_has_a_name_that_says_nothing(path):
    assert path.stem not in {"utils", "util", "common", "misc", "helpers", "manager", "base"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "trivium"}


def layer(part: str) -> int:
    return next(place for place, names in enumerate(LAYERS) if part in names.split())


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_one_way(path):
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if part in ("__init__", "__main__"):
        pytest.skip("the public door may open any room")
    backwards = set()
    for name in imported(path):
        other = name.split(".")[1] if "." in name else ""
        known = {word for names in LAYERS for word in names.split()}
        if other in known and layer(other) > layer(part):
            backwards.add(name)
    assert not backwards


def test_every_part_has_its_place_in_the_layers():
    parts = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in FILES}
    known = {word for names in LAYERS for word in names.split()}
    assert parts - {"__init__", "__main__"} <= known


def code_lines(path: Path) -> list[tuple[int, str]]:
    lines = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        stripped = line.strip()
        if len(stripped) > 3 and not stripped.startswith(("#", "import ", "from ")):
            lines.append((number, stripped))
    return lines


def test_no_block_of_eight_lines_stands_twice():
    places = defaultdict(set)
    for path in FILES:
        lines = code_lines(path)
        for start in range(len(lines) - 7):
            block = "\n".join(text for _, text in lines[start : start + 8])
            places[block].add(f"{name_of(path)}:{lines[start][0]}")
    twice = [sorted(where) for where in places.values() if len(where) > 1]
    assert not twice


def public(path: Path):
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not node.name.startswith("_"):
                yield node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                        yield inner


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_public_name_has_a_docstring_and_types(path):
    if path.name != "version.py":
        assert ast.get_docstring(ast.parse(path.read_text())), "the file says nothing of itself"
    for node in public(path):
        assert ast.get_docstring(node), node.name
        if not isinstance(node, ast.ClassDef):
            assert node.returns is not None, node.name
            for argument in [*node.args.args, *node.args.kwonlyargs]:
                assert argument.annotation or argument.arg in ("self", "cls"), node.name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_raise_carries_the_offending_value(path):
    silent = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            message = node.exc.args[0]
            if isinstance(message, ast.Constant) and isinstance(message.value, str):
                silent.append(f"line {node.lineno}: {message.value}")
    assert not silent


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_unpickled_and_no_data_is_asserted(path):
    text = path.read_text()
    for loader in (
        "import pickle",
        "from pickle",
        "allow_pickle=True",
        "torch.load(",
        "dill",
        "joblib",
    ):
        assert loader not in text
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: raise a sentence instead"


def test_every_test_file_is_collected():
    stray = [
        name_of(path)
        for path in (ROOT / "tests").rglob("*.py")
        if "def test_" in path.read_text() and not path.name.startswith("test_")
    ]
    assert not stray
