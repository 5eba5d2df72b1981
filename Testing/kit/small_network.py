"""Networks of a few weights in the place of the real one, whose graph takes half a minute to build."""

from __future__ import annotations

import keras


def small_network(input_shape: tuple[int | None, int | None], _encoder: object = None) -> keras.Model:
    """Takes and gives what ``build_network`` does; it learns, has batch normalization, and sees single pixels."""
    layers = [keras.Input((*input_shape, 3)), keras.layers.Conv2D(3, 1), keras.layers.BatchNormalization()]
    return keras.Sequential([*layers, keras.layers.Softmax(dtype="float32")])


def learning_network(input_shape: tuple[int | None, int | None], _encoder: object = None) -> keras.Model:
    """Takes and gives what ``build_network`` does; it sees nine pixels across, enough to learn two slices by heart."""
    layers: list[keras.Layer] = [keras.Input((*input_shape, 3))]
    for distance in (1, 3):
        layers += [
            keras.layers.Conv2D(8, 3, padding="same", dilation_rate=distance, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.8),
            keras.layers.ReLU(),
        ]
    return keras.Sequential([*layers, keras.layers.Conv2D(3, 1), keras.layers.Softmax(dtype="float32")])
