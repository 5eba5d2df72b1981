"""Training: the loop and its step, a run's settings and folder, all folds, the model of lobes.

- :mod:`.config`, :mod:`.run_folder`, :mod:`.trained_on`: the settings, what a run leaves, what a network learned from.
- :mod:`.training`, :mod:`.trainer`, :mod:`.validation`, :mod:`.start`, :mod:`.memory`: the loop and its parts.
- :mod:`.crossval`: one training for each fold.
- :mod:`.lobe_training`, :mod:`.lobe_fit`, :mod:`.lobe_overlap`: the model that tells lobes from the shape of lungs.
"""
