"""Files of which a little is wrong: bytes, numbers and words of a good one changed at random, by a seed."""

from __future__ import annotations

import gzip
import random
import re
import zlib
from collections.abc import Callable

ODD_NUMBERS = (
    *("0", "-1", "1e999", "nan", "inf", "1e-320", "2147483648", "4294967295", "9223372036854775808", "99999999999999"),
    *("3x", "", "0x10", "1,5", "-0.0", "1000", "65536", "1" * 400, "%s%n", "٣"),
)
ODD_WORDS = (
    *(b"", b"x" * 1000, b"%n%s%n%s", b"\xff\xfe", b"\x00", b"\x1b[2J", b"../../..", b"LIST", b"null", b"[]", b"{}"),
    *(b'{"a":' * 500, b"\xe4\xf6\xfc", "\u202e".encode(), b"=1+1", b"\r\n", b"true", b'"', b"NaN", b"1e400"),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_WORD = re.compile(rb"[A-Za-z_:]{2,40}")
_HEAD_BYTES = 4000
"""Most headers end before; voxels are worth fewer tries."""


def mutated(content: bytes, chance: random.Random) -> bytes:
    """``content`` with one to four changes; what is packed is mostly unpacked, changed and packed again."""
    if content[:2] == b"\x1f\x8b" and chance.random() < 0.7:
        try:
            return gzip.compress(mutated(gzip.decompress(content), chance), 1, mtime=0)
        except (OSError, EOFError, zlib.error):
            return content
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        content = chance.choice(_WAYS)(content, chance)
    return content


def _place(content: bytes, chance: random.Random) -> int:
    within = len(content) if chance.random() < 0.25 else min(len(content), _HEAD_BYTES)
    return chance.randrange(within) if within else 0


def _flip(content: bytes, chance: random.Random) -> bytes:
    place = _place(content, chance)
    return (
        content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :] if content else b""
    )


def _set(content: bytes, chance: random.Random) -> bytes:
    place, length = _place(content, chance), chance.choice((1, 2, 4, 8))
    new = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80", bytes([chance.randrange(256)]))) * length
    return content[:place] + new + content[place + length :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: _place(content, chance)]


def _remove(content: bytes, chance: random.Random) -> bytes:
    place = _place(content, chance)
    return content[:place] + content[place + chance.choice((1, 2, 8, 100)) :]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    place, length = _place(content, chance), chance.choice((1, 4, 30, 300))
    return content[:place] + content[place : place + length] * chance.choice((2, 3, 50)) + content[place + length :]


def _append(content: bytes, chance: random.Random) -> bytes:
    return content + chance.choice((b"\0", b"garbage" * 20, b"\xff\xd8\xff", chance.randbytes(100)))


def _insert(content: bytes, chance: random.Random) -> bytes:
    place = _place(content, chance)
    return content[:place] + chance.choice(ODD_WORDS) + content[place:]


def _number(content: bytes, chance: random.Random) -> bytes:
    return _replaced(content, _NUMBER, chance.choice(ODD_NUMBERS).encode(), chance)


def _word(content: bytes, chance: random.Random) -> bytes:
    return _replaced(content, _WORD, chance.choice(ODD_WORDS), chance)


def _line(content: bytes, chance: random.Random) -> bytes:
    """One line of the header gone, twice, or in the place of another one."""
    head, rest = content[:_HEAD_BYTES], content[_HEAD_BYTES:]
    lines = head.split(b"\n")
    if len(lines) < 3:
        return _flip(content, chance)
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one] = chance.choice((lines[other], lines[one] + b"\n" + lines[one], b""))
    return b"\n".join(lines) + rest


def _replaced(content: bytes, what: re.Pattern[bytes], new: bytes, chance: random.Random) -> bytes:
    found = list(what.finditer(content, 0, _HEAD_BYTES))
    if not found:
        return _flip(content, chance)
    match = chance.choice(found)
    return content[: match.start()] + new + content[match.end() :]


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _set, _set, _cut, _remove, _repeat, _append, _insert, _number, _number, _number, _word, _line),
)
