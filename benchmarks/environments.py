"""A virtual environment for each contestant, made once under ``benchmarks/work``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
WORK = BENCHMARKS / "work"

REQUIREMENTS = {
    "annotary": [str(ROOT)],
    "labelformat": ["labelformat==0.1.17"],
    "globox": ["globox==2.9"],
    "datumaro": ["datumaro==1.13"],
    # supervision says itself that it is slower without OpenCV, so it gets it.
    "supervision": ["supervision==0.31", "opencv-python-headless"],
    "labelstudio": ["label-studio==1.23"],
    "pycocotools": ["pycocotools==2.0.11"],
    "floor": ["msgspec", "numpy", "pillow"],
}
DISTRIBUTIONS = {"labelstudio": "label-studio", "floor": "msgspec"}


class EnvironmentFailedError(Exception):
    """A contestant could not be installed."""


def python_of(peer: str) -> Path:
    return WORK / f"env-{peer}" / "bin" / "python"


def ensure(peer: str) -> str:
    """Install ``peer`` if that has not been done; answers its version.

    Raises `EnvironmentFailedError` with the installer's last words.
    """
    python = python_of(peer)
    wanted = "\n".join(REQUIREMENTS[peer])
    marker = python.parent.parent / "installed.txt"
    if not python.exists():
        _call([sys.executable, "-m", "venv", str(python.parent.parent)])
    if peer == "annotary":
        # Always anew: the checkout may have changed under the same version number.
        again = ["--force-reinstall", "--no-deps"] if marker.exists() else []
        _install(python, [*again, *REQUIREMENTS[peer]])
        marker.write_text(wanted)
    elif not marker.exists() or marker.read_text() != wanted:
        _install(python, REQUIREMENTS[peer])
        marker.write_text(wanted)
    question = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    return _call([str(python), "-c", question, DISTRIBUTIONS.get(peer, peer)]).strip()


def _install(python: Path, packages: list[str]) -> None:
    _call([str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q", *packages])


def _call(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        # An installer ends with hints; what went wrong stands before them.
        told = [line for line in lines if "Error" in line or line.startswith("ERROR")]
        raise EnvironmentFailedError("\n".join((told or lines)[-3:]))
    return done.stdout
