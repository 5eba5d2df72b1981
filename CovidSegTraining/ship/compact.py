"""Weights that take less room on disk; all computing stays in float32.

float16: half the size. int8: a quarter, as whole numbers with one scale for each output channel, of ONNX files that are
only kept to compute a table again. Only large kernels change: 1 x 1 convolutions hold nine tenths of the weights.
Biases, batch normalizations, depthwise and early kernels are small, and the network is most sensitive to them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

STORED = ("float32", "float16", "int8")

SMALLEST = 10_000
"""Numbers in a kernel from which on it changes; the largest depthwise kernel (3 x 3 x 960) has 8640."""

_LARGEST = float(np.finfo(np.float16).max)
_LEVELS = 127
_NEARLY_WHOLE = 1e-3


def round_kernels(network: keras.Model, stored: str) -> None:
    """Round the kernels of ``network`` to what ``stored`` holds, so that every format keeps the same numbers."""
    roundings: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "float32": np.asarray,
        "float16": _halved,
        "int8": lambda kernel: _halved(_in_steps(kernel, -1)),
    }
    rounded = roundings[stored]
    network.set_weights(
        [rounded(weight).astype(np.float32) if _is_large(weight) else weight for weight in network.get_weights()]
    )


def shrink_onnx(file: Path, stored: str) -> None:
    """Store the rounded kernels of an ONNX file as float16 or int8, behind nodes that runtimes carry out once, at load.

    A kernel that int8 cannot hold exactly, whichever of its axes is that of the outputs, is stored as float16.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(file))
    graph = model.graph
    nodes = []
    for tensor in list(graph.initializer):
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if not _is_large(values):
            continue
        parted = _whole_numbers(values) if stored == "int8" else None
        kept = _halved(values) if parted is None else parted[0]
        cast = name if parted is None else f"{name}_whole"
        tensor.CopyFrom(numpy_helper.from_array(kept, f"{name}_stored"))
        nodes.append(helper.make_node("Cast", [f"{name}_stored"], [cast], to=onnx.TensorProto.FLOAT))
        if parted is not None:
            graph.initializer.append(numpy_helper.from_array(parted[1], f"{name}_step"))
            nodes.append(helper.make_node("Mul", [cast, f"{name}_step"], [name]))
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))


def halve_keras(file: Path) -> None:
    """Store the kernels of a ``.keras`` file as float16; Keras casts them to the variables' own type at load."""
    import h5py

    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    full, half = file.with_suffix(".full.h5"), file.with_suffix(".half.h5")
    try:
        full.write_bytes(members["model.weights.h5"])
        with h5py.File(full, "r") as source, h5py.File(half, "w") as target:
            _copy(source, target)
        members["model.weights.h5"] = half.read_bytes()
    finally:
        full.unlink(missing_ok=True)
        half.unlink(missing_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def _copy(source, target) -> None:
    """Copy an HDF5 group, kernels as float16."""
    target.attrs.update(source.attrs)
    for name, item in source.items():
        if hasattr(item, "dtype"):
            values = item[()]
            copied = target.create_dataset(name, data=_halved(values) if _is_large(values) else values)
            copied.attrs.update(item.attrs)
        else:
            _copy(item, target.create_group(name))


def _is_large(values: np.ndarray) -> bool:
    return values.dtype == np.float32 and values.ndim > 1 and values.size >= SMALLEST


def _halved(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -_LARGEST, _LARGEST).astype(np.float16)


def _steps(values: np.ndarray, axis: int) -> np.ndarray:
    """The smallest power of two by which int8 holds each channel along ``axis``; float16 then holds it, too."""
    others = tuple(n for n in range(values.ndim) if n != axis % values.ndim)
    largest = np.abs(values).max(axis=others, keepdims=True)
    return np.exp2(np.ceil(np.log2(np.maximum(largest, np.finfo(np.float32).tiny) / _LEVELS))).astype(np.float32)


def _in_steps(values: np.ndarray, axis: int) -> np.ndarray:
    steps = _steps(values, axis)
    return np.rint(values / steps) * steps


def _whole_numbers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """int8 and float32 steps whose product is ``values``; None where there are none.

    The steps are looked for anew: the export multiplies each channel by what its batch normalization says.
    """
    for axis in (0, values.ndim - 1):
        channels = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        largest = np.abs(channels).max(axis=1)
        largest[largest == 0] = 1
        steps, worst = largest / _LEVELS, np.full(len(channels), np.inf)
        for level in range(_LEVELS // 2 + 1, _LEVELS + 1):
            ratio = channels * (level / largest)[:, None]
            error = np.abs(ratio - np.rint(ratio)).max(axis=1)
            steps, worst = np.where(error < worst, largest / level, steps), np.minimum(error, worst)
        if worst.max() < _NEARLY_WHOLE:
            shape = [-1 if n == axis else 1 for n in range(values.ndim)]
            steps = steps.astype(np.float32).reshape(shape)
            return np.rint(values / steps).astype(np.int8), steps
    return None
