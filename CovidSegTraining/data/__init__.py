"""Cases to learn from: scans and labels on disk, read slice by slice, changed and drawn.

- :mod:`.cases`, :mod:`.metadata`: which scans and labels a folder holds; :mod:`.check` looks at them first.
- :mod:`.dataset`: one case, slice by slice; :mod:`.cache` keeps what is framed.
- :mod:`.augmentation`, :mod:`.lesion_transfer`, :mod:`.streams`: what is changed, carried over, and drawn.
- :mod:`.pictures`, :mod:`.lobe_cases`: single pictures as cases; masks of drawn lobes.
"""
