"""Where voxels lie: the scan and its grid, boxes and resampling, plain arithmetic on arrays.

- :mod:`.volume`: the scan in HU, its affine (IJK to RAS, mm), and the upright order of its axes.
- :mod:`.grids`: whether two grids are one, and arrays from one to the other. :mod:`.masks`: boxes, growing.
- :mod:`.resampling`: planes and blocks to another size.
"""
