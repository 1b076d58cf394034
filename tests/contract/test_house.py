"""The house: imports run one way, and each folder says what lives in it."""

import ast
from pathlib import Path

import pytest

import skae

ROOT = Path(skae.__file__).parent
# From the top to the bottom; those on a line do not import one another.
FLOORS = [
    {"_load", "onnx"},
    {"_outliers", "_imputer", "_clusterer"},
    {"_drawn"},
    {"_autoencoder", "_keras"},
    {"_keras_network"},
    {"_keras_checks"},
    {"_fitting"},
    {"_data"},
    {"_files"},
    {"_engines"},
    {"_objectives"},
    {"_networks", "_recurrent", "_keras_models"},
    {"_convolutions"},
    {"_layers", "_connecting"},
    {"_layer_values", "_cutting"},
    {"_models"},
    {"_copies"},
    {"_fingerprints"},
    {"_different_rows", "_rows_apart", "_shared_neighbors"},
    {"_threads", "_process"},
    {
        *("_graphs", "_hints", "_interrupts", "_links", "_named_apart", "_seeds"),
        *("_tiles", "_warn"),
    },
]
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MODULES = {
    ".".join(("skae", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in ROOT.rglob("*.py")
}


def imported(path):
    """Give the modules of skae that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skae"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (n if n in MODULES else node.module for n in names)
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("skae"))


IMPORTS = {name: {*imported(path)} - {name} for name, path in MODULES.items()}


def room(module):
    return module.split(".", 2)[1] if "." in module else ""


def test_imports_run_one_way():
    """Downwards through the floors; only the version is asked for at the top."""
    upwards = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        for other in others - {"skae"}
        if name != "skae"
        and room(name) != room(other)
        # Displays know nothing of skae.
        and (room(name) == "plotting" or FLOOR[room(name)] >= FLOOR[room(other)])
    ]
    assert not upwards


def test_no_modules_import_one_another_in_a_circle():
    def visit(name, path):
        assert name not in path, " > ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in IMPORTS[name] - {"skae"}:
                visit(other, [*path, name])
            done.add(name)

    done = set()
    for name in IMPORTS:
        visit(name, [])


@pytest.mark.parametrize("path", sorted(ROOT.glob("_*/")), ids=lambda path: path.name)
def test_each_folder_says_what_lives_in_it(path):
    if path.name != "__pycache__":
        assert len((path / "README.md").read_text().splitlines()) <= 20


@pytest.mark.parametrize("name", sorted(MODULES))
def test_files_and_functions_stay_short(name):
    """Files of 400 lines, bodies of 50, but for the documentation of the estimator."""
    text = MODULES[name].read_text()
    if name != "skae._autoencoder":
        assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            documented = ast.get_docstring(node) is not None
            body = node.body[documented:] or node.body
            assert body[-1].end_lineno - body[0].lineno < 50, node.name
