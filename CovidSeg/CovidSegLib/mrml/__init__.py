"""Between Slicer's scene and our own values: volume node → CtVolume, Segmentation → segments.

``slicer`` and ``vtk`` are imported when a function is called, so that this package can be imported anywhere. When
Slicer starts, :mod:`.segment_statistics` alone is; the rest would bring SciPy.
"""
