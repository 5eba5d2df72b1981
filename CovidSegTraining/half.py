"""Weights in half precision on disk: half the size, computed in float32 as before.

Only large kernels are halved: 1 x 1 convolutions hold nine tenths of the weights. Biases, batch normalizations,
depthwise and early kernels are small, and the network is most sensitive to them.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras
import numpy as np

SMALLEST = 10_000
"""Numbers in a kernel from which on it is halved; the largest depthwise kernel (3 x 3 x 960) has 8640."""

_LARGEST = float(np.finfo(np.float16).max)


def round_kernels(network: keras.Model) -> None:
    """Round the kernels of ``network`` to what float16 holds, so that every format keeps the same numbers."""
    weights = network.get_weights()
    network.set_weights([_halved(weight).astype(np.float32) if _is_large(weight) else weight for weight in weights])


def halve_onnx(file: Path) -> None:
    """Store the kernels of an ONNX file as float16, each behind a Cast that runtimes carry out once, at load."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(file))
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if not _is_large(values):
            continue
        tensor.CopyFrom(numpy_helper.from_array(_halved(values), f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
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
