"""A reader's work: told from the network's, kept when it runs again.

- :mod:`.reviewed_segments`: our segments as a reader left them, from the scene or from a file.
- :mod:`.merge`: what segments hold, what the network last drew, and a new result joined with both.
- :mod:`.run_lengths`: what was last drawn as text, run-length encoded, for a segment's tags.
- :mod:`.lung_under_infection`: the lung under infection.
"""
