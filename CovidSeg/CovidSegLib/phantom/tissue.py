"""Hounsfield units of what the phantom is made of.

Soft tissue, blood, liver and bone lie in the middle of the ranges of the usual HU charts (for example W. A. Kalender,
Computed Tomography, chapter 1); lung and infection were compared with true-HU slices of COVID-19 patients (air-filled
lung about -880 in front and -800 behind; infection from -800 to 0, its middle half between -740 and -390).
"""

from __future__ import annotations

AIR = -1000.0
"""By the definition of the scale."""

AIRWAY_AIR = -980.0
"""Trachea and bronchi: air, warmed by scatter and partial volume."""

FAT = -100.0
"""Charts: -120 to -80."""

MEDIASTINAL_FAT = -92.0
"""As fat, with strands of connective tissue."""

SKIN = 20.0
"""A layer of 1 to 2 mm, always blurred with air and fat."""

MUSCLE = 52.0
"""Charts: 40 to 60."""

BLOOD = 42.0
"""Without contrast medium; charts: 35 to 50. Heart and great vessels."""

VESSEL = 38.0
"""Vessels in the lung: blood, a little blurred."""

AIRWAY_WALL = 10.0

OESOPHAGUS = 35.0

LIVER = 60.0
"""Charts: 50 to 65."""

SPLEEN = 50.0
"""Charts: 45 to 55."""

KIDNEY = 32.0
"""Charts: 25 to 35."""

STOMACH = 22.0
"""Fluid and food."""

BOWEL = 30.0

CARTILAGE = 105.0
"""Costal cartilage; charts: 80 to 130."""

SPONGY_BONE = 200.0
"""Charts: 100 to 300."""

CORTICAL_BONE = 760.0
"""Charts: 300 to more than 1000; thin shells lose much of it to partial volume."""

DISC = 85.0
"""Discs between vertebrae; charts: 70 to 100."""

SPINAL_CANAL = 25.0

LUNG_FRONT = -882.0
"""Lung at full inspiration, farthest from the table."""

LUNG_BACK = -808.0
"""The same beside the table: weight and blood make it 60 to 80 HU denser."""

GROUND_GLASS = (-710.0, -500.0)
"""A patch's own value is drawn from here; its texture spreads it to about -750 ... -400."""

CONSOLIDATION = -5.0
"""Alveoli full of fluid: -50 to +30."""

CRAZY_PAVING = 150.0
"""How much thickened septa stand out of the ground glass."""

FISSURE = 120.0
"""How much a fissure (much thinner than a voxel) stands out of the lung."""

TABLE_SHELL = -120.0
"""Carbon fibre, 1.5 mm."""

TABLE_CORE = -955.0

MATTRESS = -930.0

NOISE_SD = 20.0
"""Reconstruction noise in soft tissue; measured on the slices named above: 23 to 25."""

LUNG_TEXTURE_SD = 34.0
"""Lung has a grain of small vessels and septa besides the noise; measured together: 53 to 55."""
