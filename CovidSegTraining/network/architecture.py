"""The network: a MobileNetV2 encoder and a lean, separable U-Net decoder.

In a U-Net on MobileNetV2 the usual decoder does most of the multiplications; one depthwise-separable convolution a
level, and logits at half resolution, make the whole network several times faster at the same accuracy.
"""

from __future__ import annotations

from pathlib import Path

import keras

from CovidSegLib.errors import InputError

from ..needs import no_weights

CLASSES = ("neither", "lung", "infection")
"""What the network tells apart. Left and right are parted later, by geometry: under left-right flips it would guess."""

SKIP_LAYERS = ("block_13_expand_relu", "block_6_expand_relu", "block_3_expand_relu", "block_1_expand_relu")
BOTTOM_LAYER = "block_16_project_BN"
DECODER_CHANNELS = (160, 96, 64, 32)
BATCH_NORM_MOMENTUM = 0.9
"""Keras builds MobileNetV2 with 0.999: after a few thousand steps the averages would still remember ImageNet."""


def build_network(input_shape: tuple[int | None, int | None], encoder_weights: str | Path | None) -> keras.Model:
    """Network (n, rows, columns, 3) in [-1, 1] → float32 probabilities (n, rows, columns, 3) of :data:`CLASSES`.

    ``input_shape``: rows and columns, multiples of 32, or (None, None) for any such. ``encoder_weights``: see
    :func:`build_encoder`.
    """
    encoder = build_encoder(input_shape, encoder_weights)
    for layer in encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    features = encoder.get_layer(BOTTOM_LAYER).output
    for level, (skip, channels) in enumerate(zip(SKIP_LAYERS, DECODER_CHANNELS, strict=True)):
        features = _decoder_level(features, encoder.get_layer(skip).output, channels, f"decoder_{level}")
    logits = keras.layers.Conv2D(len(CLASSES), 1, name="logits")(features)
    logits = keras.layers.UpSampling2D(interpolation="bilinear", name="logits_full")(logits)
    # Softmax in float32 also where the layers before compute in half precision.
    probabilities = keras.layers.Softmax(name="probabilities", dtype="float32")(logits)
    return keras.Model(encoder.input, probabilities, name="mobilenet_v2_unet")


def build_encoder(input_shape: tuple[int | None, int | None], weights: str | Path | None) -> keras.Model:
    """MobileNetV2 1.0 without top for ``input_shape`` (rows, columns).

    ``weights``: a Keras weights file of it, "imagenet" (downloaded by Keras), or None for random ones. Raises
    InputError where they cannot be had.
    """
    named = "imagenet" if str(weights) == "imagenet" else None
    try:
        encoder = keras.applications.MobileNetV2(input_shape=(*input_shape, 3), include_top=False, weights=named)
    except Exception as error:  # whatever a download ends with
        if named is None:
            raise
        raise no_weights() from error
    if weights is not None and named is None:
        try:
            encoder.load_weights(str(weights))
        except (OSError, ValueError) as error:
            raise InputError(
                "The file of encoder weights cannot be read, or is of another network.",
                "Give one of MobileNetV2 1.0 without top, 'imagenet' or 'none'.",
            ) from error
    return encoder


def _decoder_level(features, skip, channels: int, name: str):
    features = keras.layers.UpSampling2D(interpolation="bilinear", name=f"{name}_up")(features)
    skip = _convolution(skip, channels // 2, f"{name}_skip")
    features = keras.layers.Concatenate(name=f"{name}_join")([features, skip])
    features = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(features)
    return _convolution(features, channels, f"{name}_pointwise")


def _convolution(features, channels: int, name: str):
    features = keras.layers.Conv2D(channels, 1, use_bias=False, name=name)(features)
    features = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_BN")(features)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(features)
