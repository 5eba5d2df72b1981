"""Where voxels lie: the scan and its grid, boxes and resampling, plain arithmetic on arrays.

- :mod:`.grid`: where voxels lie in the patient (IJK to RAS, mm), upright views, arrays from one grid to another.
- :mod:`.volume`: the scan in HU on its grid. :mod:`.masks`: boxes, growing.
- :mod:`.resampling`: planes and blocks to another size.
"""
