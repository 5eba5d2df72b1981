"""What BodyPartExamined says about where a series was taken: the chest, some other part, or neither."""

from __future__ import annotations

import re
from enum import IntEnum


class Part(IntEnum):
    """How well a series fits by what it says of the body, the best first."""

    CHEST = 0
    UNSAID = 1
    UNSURE = 2
    ELSEWHERE = 3


_CHEST = re.compile("CHEST|THORAX|THORAC|TORAX|TORAC|TORAK|TÓRAX|LUNG|PULMO")
"""Also in compounds (CHESTABDPELVIS, THORACOABDOMINAL), and as readers of other languages write it."""

_WHOLE = re.compile("WHOLE|BODY|TRUNK|TORSO")

_UNSURE = re.compile("HEART|CORONARY|CARDIAC|AORTA|MEDIAST|BREAST|RIB|STERN|CLAVICLE|ESOPHAG|OESOPHAG|BRONCH|TRACHEA")
"""Inside the chest: a scan of it shows some of the lungs."""

_ELSEWHERE = re.compile(
    "ABDOM|ADRENAL|ANKLE|ANUS|APPENDIX|ARM|BLADDER|BRAIN|BUTTOCK|CALCANEUS|CALF|CAROTID|CEREB|COCCYX|COLON|CRANI|DUODEN"
    "|ELBOW|EXTREMITY|EYE|FACE|FACIAL|FEMUR|FEMORAL|FIBULA|FINGER|FOOT|FEET|FOREARM|GALLBLADDER|HAND|HEAD|HIP|HUMERUS"
    "|ILEUM|ILIAC|ILIUM|INTERNALAUDITORYCANAL|JAW|JEJUNUM|JOINT|KIDNEY|KNEE|LARYNX|LEG|LIVER|LUMBAR|MANDIBLE|MASTOID"
    "|MAXILLA|MOUTH|NASO|NECK|NOSE|ORBIT|OVARY|PANCREAS|PAROTID|PATELLA|PELVI|PENIS|PHARYNX|PITUITARY|PROSTATE|RADIUS"
    "|RECTUM|RENAL|SACR|SCAPULA|SCROTUM|SELLA|SHOULDER|SINUS|SKULL|SPINE|SPLEEN|STOMACH|SUBMANDIBULAR|TEETH|TEMPORAL"
    "|TESTIS|THIGH|THUMB|THYROID|TIBIA|TMJ|TOE|TONGUE|TOOTH|ULNA|URET|UTER|VAGINA|VERTEBRA|WRIST|ZYGOMA"
    "|^EAR$|^IAC$|^LIMB$|LOWERLIMB|UPPERLIMB"
)
"""Terms for BodyPartExamined that are no chest (DICOM PS3.16, annex L), whole or as parts of compounds."""


def part_of(body_part: str) -> Part:
    """What the term ``body_part`` (capitals; '' where there is none) says.

    A compound that names the chest is of the chest, but for its spine. Words that DICOM does not define say nothing.
    """
    if not body_part:
        return Part.UNSAID
    term = re.sub(r"[\s_^\-/]+", "", body_part)
    if "SPINE" in term or "VERTEBRA" in term:
        return Part.CHEST if re.search("CHEST|LUNG", term) else Part.ELSEWHERE
    for pattern, part in ((_CHEST, Part.CHEST), (_WHOLE, Part.UNSAID), (_ELSEWHERE, Part.ELSEWHERE)):
        if pattern.search(term):
            return part
    return Part.UNSURE if _UNSURE.search(term) else Part.UNSAID
