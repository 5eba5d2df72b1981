"""From the network's probabilities to labels: what a lung is, and which of the two.

- :class:`.finish.RoughMask` gathers the network's answers slice by slice on the CT's own grid, in bytes;
  :func:`.finish.finish` makes labels of it: infection inside lung, specks and airways gone.
- :func:`.lungs.find_sides` parts left and right by geometry, also where the lungs touch.
"""
