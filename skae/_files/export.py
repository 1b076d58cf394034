"""Writing a fitted network for programs that run without skae.

Keras writes the file, but for dense layers in ONNX, which `onnx_graph.py` writes; what
was written is run, and compared with the transformer, before it takes its place.
"""

# Authors: The skae developers
# SPDX-License-Identifier: BSD-3-Clause

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_parameter_constraints

from skae._files.onnx_graph import Dense
from skae._files.target import file_name, naming, refuse_folder
from skae._process import import_tensorflow, quiet

PARTS = ("encoder", "decoder", "autoencoder")
# What a SavedModel consists of; a directory that holds more is not replaced.
_SAVED_MODEL = {"assets", "fingerprint.pb", "saved_model.pb", "variables"}
# Endings that say the format; any other name will do for any.
_ENDINGS = {".onnx": "onnx", ".tflite": "litert"}
# By how much of the largest output the file may differ. Two orders of additions in
# float32 stay below it; a wrong operation or weight does not.
_TOLERANCE = 1e-4


Function = Callable[[np.ndarray], np.ndarray]


class _Format(NamedTuple):
    """How a format is named and written, and what it needs."""

    title: str
    # Keras insists on the ending of a LiteRT file; the user's name may have any.
    file_name: str
    packages: tuple[str, ...]
    dtypes: tuple[str, ...]
    run: Callable[[str, np.ndarray], np.ndarray]


def export(
    caller: str,
    path: Any,
    format: str,
    part: str,
    take: Callable[[str], tuple[Any, Function, bool]],
    dense: Callable[[str], tuple[Dense, Function] | None] = lambda part: None,
) -> None:
    """Write a part of a transformer, whole or not at all.

    `take` gives a part as a Keras model of one input and one output, the function that
    it must agree with, and whether it takes NaN; `dense` gives it as layers that need
    no Keras, or None.
    """
    validate_parameter_constraints(
        {"format": [StrOptions(set(_FORMATS))], "part": [StrOptions(set(PARTS))]},
        {"format": format, "part": part},
        caller_name=f"{caller}.export",
    )
    kind = _FORMATS[format]
    path = file_name(path)
    _check_ending(path, format)
    named = path
    if format == "tf_saved_model":
        path = os.path.realpath(path)  # a link keeps pointing to what is replaced
    _check_target(path, format)
    plain = dense(part) if format == "onnx" else None
    _check_packages(format, plain is not None)
    # The directory for what is half done; it is on the file system of the target.
    folder = os.path.dirname(os.path.abspath(path))
    make = partial(tempfile.TemporaryDirectory, dir=folder, suffix=".tmp")
    with naming(named), make() as temporary:
        written = os.path.join(temporary, kind.file_name)
        if plain is not None:
            _write_dense(*plain, written)
        else:
            model, expected, masked = take(part)
            _check_dtype(caller, format, model.inputs[0].dtype)
            _write_with_keras(model, expected, masked, written, format)
        _sync(written)
        _put_in_place(written, path, os.path.join(temporary, "replaced"))


def keras_to_onnx(
    caller: str, model: Any, expected: Function, masked: bool, opset: int
) -> Any:
    """Give a Keras model in float32 as a model of ONNX, after comparing the two."""
    import onnx

    _check_packages("onnx")
    _check_dtype(caller, "onnx", model.inputs[0].dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        _write_with_keras(model, expected, masked, path, "onnx", opset)
        return onnx.load(path)


def _write_dense(dense: Dense, expected: Function, path: str) -> None:
    import onnx

    onnx.save(dense.model(), path)
    masked = dense.stages[0].means is not None
    _check_outputs("onnx", path, dense.shape_in, dense.dtype, expected, masked)


def _write_with_keras(
    model: Any,
    expected: Function,
    masked: bool,
    path: str,
    format: str,
    opset: int | None = None,
) -> None:
    inputs = model.inputs[0]
    with quiet(), _undone():
        _write(model, path, format)
        if masked and format == "onnx":
            _choose_values(path)
        check = partial(
            _check_outputs, format, path, inputs.shape[1:], inputs.dtype, expected
        )
        check(masked)
        if opset is not None:
            _change_opset(path, opset)
            check(masked)


def _check_target(path: str, format: str) -> None:
    """Refuse to replace what no export has written."""
    if not os.path.lexists(path):
        return
    if format != "tf_saved_model":
        refuse_folder(path, _FORMATS[format].title)
    elif not os.path.isdir(path) or not _SAVED_MODEL.issuperset(os.listdir(path)):
        raise FileExistsError(
            f"{path!r} is there and holds more than a SavedModel, which is a directory "
            "of its own. Choose another name, or remove it."
        )


def _check_ending(path: str, format: str) -> None:
    """Refuse a name that says another format."""
    said = _ENDINGS.get(os.path.splitext(path)[1].lower(), format)
    if said != format:
        raise ValueError(
            f"{path!r} has the ending of {said!r}, and the format is {format!r}. Take "
            f"format={said!r}, or another ending."
        )


def _check_packages(format: str, dense: bool = False) -> None:
    """Say which packages are missing; TensorFlow and Keras write all but `dense`."""
    if not dense:
        import_tensorflow()
    if format == "litert":
        import keras

        version = tuple(map(int, keras.__version__.split(".")[:2]))
        if version < (3, 13):
            raise ImportError(
                "Exporting to LiteRT needs Keras 3.13 or newer, and this is Keras "
                f"{keras.__version__}. Upgrade it: pip install 'keras>=3.13'."
            )
    needed = ("onnx", "onnxruntime") if dense else _FORMATS[format].packages
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Exporting to {_FORMATS[format].title} needs {' and '.join(missing)}. "
            'Install what export needs by: pip install "skae[export]"'
        )


def _check_dtype(caller: str, format: str, dtype: str) -> None:
    if dtype not in _FORMATS[format].dtypes:
        raise ValueError(
            f"This {caller} computes in {dtype}, and {_FORMATS[format].title} expects "
            "float32. Fit on X.astype(np.float32), or use format='tf_saved_model', "
            "which keeps float64."
        )


def _write(model: Any, path: str, format: str) -> None:
    """Let Keras write the file, for any number of rows."""
    import keras

    title = _FORMATS[format].title
    inputs = model.inputs[0]
    signature = keras.InputSpec(
        shape=(None, *inputs.shape[1:]), dtype=inputs.dtype, name=inputs.name
    )
    # Keras before 3.15 speaks of LiteRT whatever `verbose`. The switch belongs to this
    # thread.
    speaks = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()
    try:
        model.export(path, format=format, verbose=False, input_signature=[signature])
    except OSError:
        raise
    except Exception as error:
        raise RuntimeError(
            f"This network can't be exported to {title}: Keras could not write it (the "
            "cause is above). A layer of it may have no counterpart there; try another "
            "format."
        ) from error
    finally:
        if speaks:
            keras.config.enable_interactive_logging()


def _choose_values(path: str) -> None:
    """Choose between values by Where, for which tf2onnx multiplies them by 0 or 1.

    What is missing is NaN, and so is zero times NaN.
    """
    import onnx

    model = onnx.load(path)
    nodes = model.graph.node
    made_by = {name: node for node in nodes for name in node.output}
    for i, node in enumerate(nodes):
        if node.op_type != "Add" or "SelectV2" not in node.output[0]:
            continue
        (cast, chosen), (other, _) = (made_by[name].input for name in node.input)
        inputs = [made_by[cast].input[0], chosen, other]
        nodes.remove(node)
        nodes.insert(i, onnx.helper.make_node("Where", inputs, node.output))
    onnx.save(model, path)


def _change_opset(path: str, opset: int) -> None:
    """Write a file anew with the operators of another opset."""
    import onnx
    from onnx import version_converter

    model = onnx.load(path)
    try:
        model = version_converter.convert_version(model, opset)
    except Exception as error:
        (written,) = (o.version for o in model.opset_import if not o.domain)
        raise RuntimeError(
            f"Keras writes this network with opset {written} of ONNX, and it can't be "
            f"brought to opset {opset} (the cause is above). Ask for another one: "
            f"to_onnx(..., target_opset={written})."
        ) from error
    onnx.save(model, path)


def _check_outputs(
    format: str,
    path: str,
    shape: tuple[int, ...],
    dtype: Any,
    expected: Function,
    masked: bool,
) -> None:
    """Run the file on a few samples, and compare with the transformer."""
    kind = _FORMATS[format]
    x = np.random.RandomState(0).uniform(size=(3, *shape)).astype(dtype)
    if masked:
        x.reshape(3, -1)[1:, ::2] = np.nan
    right = expected(x)
    try:
        outputs = kind.run(path, x)
    except Exception as error:
        raise RuntimeError(
            f"This network can't be exported to {kind.title}: what was written does "
            "not run (the cause is above). A layer of it may have no counterpart "
            "there; try another format."
        ) from error
    difference = np.abs(outputs - right).max()
    allowed = _TOLERANCE * max(1, np.abs(right).max())
    if not difference <= allowed:
        raise RuntimeError(
            f"This network can't be exported to {kind.title}: the outputs of what was "
            f"written should be within {allowed:.2g} of the transformer's, and differ "
            f"by {difference:.2g}. A layer of it may have no counterpart there; try "
            "another format."
        )


def _run_onnx(path: str, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    (outputs,) = session.run(None, {session.get_inputs()[0].name: x})
    return outputs


def _run_litert(path: str, x: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    # From memory: Windows could not remove a file that an interpreter holds open.
    with open(path, "rb") as file:
        run = Interpreter(model_content=file.read()).get_signature_runner()
    (name,) = run.get_input_details()
    (outputs,) = run(**{name: x}).values()
    return outputs


def _run_saved_model(path: str, x: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)  # the variables live as long as this
    return loaded.serve(tf.convert_to_tensor(x)).numpy()


_FORMATS = {
    "litert": _Format(
        "LiteRT", "model.tflite", ("ai_edge_litert",), ("float32",), _run_litert
    ),
    "onnx": _Format(
        "ONNX",
        "model.onnx",
        ("onnx", "onnxruntime", "tf2onnx"),
        ("float32",),
        _run_onnx,
    ),
    "tf_saved_model": _Format(
        "SavedModel", "model", (), ("float32", "float64"), _run_saved_model
    ),
}


@contextmanager
def _undone() -> Iterator[None]:
    """Take back what the exporter to ONNX changes for the whole process.

    Importing tf2onnx sets an environment variable. Keras gives NumPy its old name for
    `object` back, and is warned by NumPy when it asks whether that is there.
    """
    variable = "TF_CPP_MIN_LOG_LEVEL"
    level, names = os.environ.get(variable), vars(np)
    had_object = "object" in names
    names.setdefault("object", object)
    try:
        yield
    finally:
        if not had_object:
            names.pop("object", None)
        if level is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = level


def _sync(path: str) -> None:
    """Bring a file, or the files of a directory, to the disk."""
    files = [os.path.join(root, n) for root, _, names in os.walk(path) for n in names]
    for name in files or [path]:
        with open(name, "rb+") as file:
            os.fsync(file.fileno())


def _put_in_place(written: str, path: str, replaced: str) -> None:
    """Give what was written its name; put a directory back where that fails."""
    if not os.path.isdir(path):
        os.replace(written, path)
        return
    # No system call that Python has exchanges two directories.
    os.rename(path, replaced)
    try:
        os.rename(written, path)
    except BaseException:
        os.rename(replaced, path)
        raise
