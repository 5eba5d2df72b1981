"""``python -m Testing.fuzz``: files of which a little is wrong are read or refused in a sentence, whatever they are.

``--seconds N``: as long as that; ``--inputs N``: so many of each kind (2000). ``--seed N`` makes other files than the
last run. What fails is kept in ``--keep`` (fuzz-findings), with what it led to.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .kinds import KINDS
from .run import fuzz


def main() -> int:
    """Run the fuzzer; returns 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m Testing.fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", default=[kind.name for kind in KINDS], metavar="KIND")
    parser.add_argument("--seconds", type=float, help="of all kinds together")
    parser.add_argument("--inputs", type=int, default=2000, help="of each kind, where no time is given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    args = parser.parse_args()
    chosen = [kind for kind in KINDS if kind.name in args.kinds]
    found = 0
    for kind in chosen:
        until = time.monotonic() + args.seconds / len(chosen) if args.seconds else None
        result = fuzz(kind, args.seed, None if until else args.inputs, until, args.keep)
        print(
            f"{kind.name}: {result.inputs} inputs, {result.refused} refused, {len(result.findings)} findings",
            flush=True,
        )
        for finding in result.findings:
            print(f"  {finding.file}: {finding.fault.strip().splitlines()[-1]}", flush=True)
        found += len(result.findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
