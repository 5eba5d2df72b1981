"""CovidSeg: lungs and COVID-19 infection from chest CT. Research use only.

The way of one scan: ``reading`` makes a :class:`~geometry.volume.CtVolume`; ``pipeline.segment`` puts ``network``
(inputs, engines) and ``anatomy`` (finished masks) together and returns a
:class:`~CovidSegLib.segmentation.Segmentation`; ``segfiles`` and ``mrml`` take it to files and to Slicer, ``measures``
to numbers, ``report`` to pictures. ``worker`` runs the pipeline in a child process; ``cli`` and ``batch`` are what a
terminal sees. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

__version__ = "0.2.0"
