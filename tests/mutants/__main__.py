"""Break one behaviour at a time, run the tests that should notice, and print what survived.

python -m tests.mutants [part of a name ...]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.listing import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
AT_ONCE = min(2, os.cpu_count() or 1)
SECONDS = 600


def broken(mutant: Mutant, source: str) -> str:
    """The text of the mutant's file with its behaviour broken. Raises LookupError."""
    if source.count(mutant.old) != 1:
        times = source.count(mutant.old)
        raise LookupError(f"{mutant.name}: its text stands {times} times in {mutant.file}")
    return source.replace(mutant.old, mutant.new)


def survives(mutant: Mutant) -> bool:
    """Whether the tests pass although the behaviour is broken."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "annotary"
        shutil.copytree(
            ROOT / "src" / "annotary", package, ignore=shutil.ignore_patterns("__pycache__")
        )
        file = package / mutant.file
        file.write_text(broken(mutant, file.read_text("utf-8")), encoding="utf-8")
        # the copy goes before the installed package
        paths = os.pathsep.join([folder, str(ROOT)])
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command = [sys.executable, "-m", "pytest", *options, *mutant.tests]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{mutant.name}: pytest ended with {done.returncode}\n"
                           + done.stdout.decode(errors="replace")[-2000:])  # fmt: skip
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Run those whose names have one of the words (all without any); 1 when one survives."""
    chosen = [m for m in MUTANTS if not words or any(word in m.name for word in words)]
    for mutant in chosen:
        broken(mutant, (ROOT / "src" / "annotary" / mutant.file).read_text("utf-8"))
    survivors = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for mutant, survived in zip(chosen, pool.map(survives, chosen), strict=True):
            print(f"{'SURVIVED' if survived else 'caught  '}  {mutant.name}", flush=True)
            survivors += [mutant] if survived else []
    print(f"{len(survivors)} of {len(chosen)} survived.")
    for mutant in survivors:
        print(f"  {mutant.name} ({mutant.file}; {' '.join(mutant.tests)})")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
