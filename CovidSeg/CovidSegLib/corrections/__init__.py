"""A reader's work: told from the network's, kept when it runs again.

- :mod:`.merge`: what a segmentation holds, what the network last drew, and the two joined.
- :mod:`.run_lengths`: what was last drawn as text, run-length encoded, for a segment's tags.
- :mod:`.lung_under_infection`: the lung under infection.
"""
