"""The network: what it sees of a CT, its weights, and what computes it.

- :func:`.models.find`: an installed network by name or card file; its SHA-256 is checked before it is opened
  (:func:`.models.verify`). :mod:`.model_import` takes in another one.
- :mod:`.inputs`: the way from HU to the network's input and back, for prediction and training alike.
- :func:`.engines.open_engine`: ONNX Runtime (:mod:`.onnx_engine`) or TensorFlow (:mod:`.keras_engine`), behind one
  protocol (:class:`.engines.Engine`); :mod:`.providers`: what ONNX Runtime can compute with.
- :mod:`.second_look`: slices with infection are looked at twice.

The runtimes are imported when an engine is opened.
"""
