"""The network that is trained: its layers, its loss, and what makes it fast to train and to run."""
