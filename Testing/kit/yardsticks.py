"""Networks to compare ours with, as ONNX files with random weights: what they cost does not depend on the weights.

- :func:`bare_encoder`: MobileNetV2 up to its last block, what ours has below its decoder. No network with this encoder
  can be faster.
- :func:`lungmask_unet`: the U-Net of lungmask's model R231 (https://github.com/JoHof/lungmask, ``resunet.py`` with
  depth 5, 64 filters, padding, batch normalization, bilinear upsampling), which many use for lungs on a CPU.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
OPSET = 15
UNET_DEPTH, UNET_FILTERS, UNET_CLASSES = 5, 64, 3


def bare_encoder(shape: tuple[int, int]) -> keras.Model:
    """(n, rows, columns, 3) → the features that our decoder starts from."""
    import keras

    whole = keras.applications.MobileNetV2(input_shape=(*shape, 3), include_top=False, weights=None)
    return keras.Model(whole.input, whole.get_layer("block_16_project_BN").output)


def lungmask_unet(shape: tuple[int, int]) -> keras.Model:
    """(n, rows, columns, 1) → log probabilities of background, right and left lung; 31 million weights."""
    import keras
    from keras import layers

    def block(features, filters: int):
        for _ in range(2):
            features = layers.Conv2D(filters, 3, padding="same", activation="relu")(features)
            features = layers.BatchNormalization()(features)
        return features

    slices = keras.Input((*shape, 1))
    features, bridges = slices, []
    for level in range(UNET_DEPTH):
        features = block(features, UNET_FILTERS << level)
        if level < UNET_DEPTH - 1:
            bridges.append(features)
            features = layers.AveragePooling2D(2)(features)
    for level in reversed(range(UNET_DEPTH - 1)):
        features = layers.UpSampling2D(2, interpolation="bilinear")(features)
        features = layers.Conv2D(UNET_FILTERS << level, 1)(features)
        features = block(layers.Concatenate()([features, bridges[level]]), UNET_FILTERS << level)
    classes = layers.Conv2D(UNET_CLASSES, 1)(features)
    return keras.Model(slices, layers.Activation("log_softmax")(classes))


def write_onnx(network: keras.Model, path: Path) -> None:
    """Write ``network`` as ours is written: float32, by tf2onnx."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    network(tf.zeros((1, *network.input_shape[1:])))
    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="slices")]
    function = tf.function(lambda slices: network(slices, training=False), input_signature=signature)
    model, _ = tf2onnx.convert.from_function(function, signature, opset=OPSET)
    onnx.save(model, str(path))
