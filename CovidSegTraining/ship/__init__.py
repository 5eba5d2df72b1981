"""From a finished run to what ships: ONNX and Keras files that agree, small enough, with a model card."""
