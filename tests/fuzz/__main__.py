"""Fuzz for as long as is wanted: ``python -m tests.fuzz --minutes 60 [--seed 1] [--only coco]``.

What breaks the law is written to ``--keep`` (a folder), one file each, and told at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.run import attempt, samples


def main() -> int:
    """Answers 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="samples whose names contain this")
    parser.add_argument("--keep", type=Path, default=None)
    given = parser.parse_args()
    chosen = [each for each in samples() if given.only in each.name]
    end = time.monotonic() + given.minutes * 60
    kinds: Counter[str] = Counter()
    first: dict[str, str] = {}
    seed = given.seed
    while time.monotonic() < end:
        for each in chosen:
            rng = random.Random(f"{seed} {each.name}")
            found = attempt(each, rng)
            if found is None:
                continue
            kind = re.sub(r"\d+|'[^']*'", "", found.what.strip().splitlines()[-1])[:90]
            kind = f"{found.sample}: {found.what.split(':')[0]}: {kind}"
            kinds[kind] += 1
            first.setdefault(kind, f"seed {seed}, {found.file}: {found.what}")
            if given.keep and kinds[kind] == 1:
                given.keep.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256(found.data).hexdigest()[:8]
                name = f"{digest}-{Path(found.file).name}"
                (given.keep / name).write_bytes(found.data)
        seed += 1
    for kind, count in kinds.most_common():
        print(f"{count:6} {kind}\n       {first[kind]}\n")
    print(f"{(seed - given.seed) * len(chosen)} sessions, {sum(kinds.values())} broke the law")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
