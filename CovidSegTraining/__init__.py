"""Training, judging and exporting the networks of CovidSeg: the command ``covidseg-train``. See README.md beside this.

- ``data/``: scans and labels, slice by slice, changed and drawn.
- ``network/``: layers and loss.
- ``fit/``: the loop, a run's settings and folder, all folds.
- ``judge/``: scores, evaluation through the shipped pipeline, the protocol, figures.
- ``ship/``: export, smaller weights, whether all formats agree, the card.
- ``studies/``: known networks for comparison.
- ``cli/``: the command.

Beside them ``needs`` (what is looked at first), ``progress_log`` (what is said meanwhile) and ``tables``.
All that prediction does too comes from ``CovidSegLib.network.inputs``.
"""
