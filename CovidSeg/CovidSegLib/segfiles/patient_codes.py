"""A patient's code in a set of training cases: the same for all scans of the patient, and nothing can be read from it.

Scans of one patient must not be parted into training and test. An identifier of a hospital has few digits: its bare
hash could be found by trying all of them. So it is hashed with a secret key, which stays with the user and never lies
in the data set.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from ..errors import OutputError
from ..i18n import tr as _
from ..network.models import user_models_folder
from ..system.atomic_files import replace_bytes
from ..system.locks import one_at_a_time

_KEY_NAME = "patient-codes.key"
_KEY_BYTES = 32

_NOBODY = frozenset(
    ("", "0", "none", "null", "unknown", "anon", "anonym", "anonymous", "anonymized", "anonymised", "patient", "test")
)
"""What stands in headers in the place of an identifier, in lower case: scans with it may be of different patients."""


def patient_code(identifier: str) -> str:
    """A code for a DICOM PatientID, "" where it names nobody. The same user gets the same code for it every time.

    Raises OutputError where the key cannot be read or kept.
    """
    told = identifier.strip().casefold()
    if told.strip("0 _-.") in _NOBODY:
        return ""
    return f"patient_{hmac.new(_key(), told.encode(errors='surrogateescape'), hashlib.sha256).hexdigest()[:12]}"


def key_file() -> Path:
    """Where the user's key is kept: beside the folder of imported models."""
    return user_models_folder().parent / _KEY_NAME


def _key() -> bytes:
    path = key_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(path.with_name(f".{_KEY_NAME}.lock")):
            if not path.exists():
                replace_bytes(secrets.token_bytes(_KEY_BYTES), path)
                path.chmod(0o600)
            key = path.read_bytes()
    except OSError as error:
        raise OutputError(
            _("The key that hides who a training case is of cannot be kept."), _("Make your home folder writable.")
        ) from error
    if len(key) < _KEY_BYTES:
        raise OutputError(
            _("The key that hides who a training case is of is damaged."), _("Put it back from a backup, or remove it.")
        )
    return key
