"""The OpenAPI document is true: a bounded run of schemathesis against it finds no lie."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from annotary import Client
from annotary.routes import ROUTES
from tests.serving import serving

BOX = [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]]
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,ignored_auth"
)
CONFIG = """\
[parameters]
"path.project_id" = "{project}"
"path.annotation_id" = "{annotation}"
"path.asset_id" = "{asset}"
"path.operation_id" = "{operation}"
"path.session_id" = "{session}"
"""


def test_every_route_is_described(http):
    document = http.get("/openapi.json").json()
    described = {op["operationId"] for item in document["paths"].values() for op in item.values()}
    assert described == set(ROUTES)
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["summary"].endswith((".", ":")), operation["operationId"]


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is not installed")
@pytest.mark.parametrize("known", [False, True], ids=["anything", "what-is-there"])
def test_schemathesis(tmp_path: Path, known: bool):
    with serving(tmp_path / "home") as server:
        config = ""
        if known:
            with Client(server.key, endpoint=server.address) as client:
                project = client.create_project("fuzz")
                asset, *_ = project.assets.register(
                    [{"filename": "image.png", "width": 400, "height": 200}]
                )
                box = {"asset_id": asset.id, "tag": "x", "bound_type": "Rectangle", "bound": BOX}
                config = CONFIG.format(
                    project=project.id,
                    annotation=project.annotations.create(box).id,
                    asset=asset.id,
                    operation=project.annotations.create_export({"format": "coco"}).id,
                    session=project.annotations.create_import_session().id,
                )
        (tmp_path / "schemathesis.toml").write_text(config)
        command = [sys.executable, "-m", "schemathesis.cli"]
        command += ["--config-file", str(tmp_path / "schemathesis.toml")]
        command += ["run", f"{server.address}/openapi.json", "-H", f"Secret-Key: {server.key}"]
        command += ["--checks", CHECKS, "--phases", "coverage,fuzzing", "--max-examples", "10"]
        # what ends the things that the other calls are about
        command += ["--exclude-name", "DELETE /projects/{project_id}"] if known else []
        command += ["--seed", "1", "--generation-database", "none", "--no-color"]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert '"level":"error"' not in server.log()
