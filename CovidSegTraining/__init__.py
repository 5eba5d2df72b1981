"""Training, judging and exporting the networks of CovidSeg.

``dataset`` and ``streams`` read scans slice by slice and draw from them (``cache`` keeps what is framed),
``augmentation`` changes what is drawn, ``architecture`` and ``losses`` are the network and what it learns from,
``training`` is the loop (``config`` its settings, ``memory`` how it keeps memory), ``evaluation`` scores a network
through the shipped pipeline, ``export`` writes what ships. ``cli`` is the command ``covidseg-train``. Everything that
prediction does too (window, crop, neighbours) comes from ``CovidSegLib.network.inputs``.
"""
