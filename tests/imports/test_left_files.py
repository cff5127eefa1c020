"""Files of sessions that ended just before their process died."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from annotary import Client

_DIE = """
import os, sys
from annotary import Client
from annotary.jobs import importing

importing.forget_files = lambda store, session: os._exit(9)
project = Client(home=sys.argv[1]).create_project("pets")
with project.annotations.create_import_session(create_assets=True) as session:
    session.add_bytes(b"filename,xmin,ymin,xmax,ymax,label\\na.png,0.1,0.1,0.5,0.5,dog\\n", "a.csv")
"""


def test_what_a_finished_import_was_sent_is_removed_by_the_next_to_open(home: Path) -> None:
    died = subprocess.run([sys.executable, "-c", _DIE, str(home)], check=False)
    assert died.returncode == 9
    assert list((home / "blobs" / "imports").rglob("*/*")) != []
    with Client(home=home) as client:
        (project,) = client.list_projects()
        (session,) = project.annotations.list_import_sessions()
        assert session.status.overview == "Finished"
        assert len(list(project.annotations.list())) == 1
        assert list((home / "blobs" / "imports").rglob("*/*")) == []
