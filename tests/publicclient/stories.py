"""What users of the public client do. Runs in the client's own environment, not in ours.

Each story takes the client and JSON values and answers JSON values.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import msgspec
from datature.nexus import Client, error


def plain(value):
    return msgspec.to_builtins(value)


def examples(client, project_id, codes):
    """Run each piece of code in a folder of its own; answers what its last expression gave."""
    results = []
    for folder, code in codes:
        os.chdir(folder)
        project = client.get_project(project_id)
        # names that the page's examples use without defining them
        names = {
            "datature": project,
            "download_exported_file": project.annotations.download_exported_file,
            "__name__": "example",
        }
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        try:
            exec(compile(tree, "example", "exec"), names)
            value = None
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "example", "eval"), names)
            if value is None and "import_session" in names:
                value = names["import_session"].get_logs()
            results.append({"type": type(value).__name__, "value": plain(value)})
        except Exception as problem:
            results.append({"error": type(problem).__name__, "message": str(problem)})
    return results


def workspace(client):
    info = client.get_info()
    return {"info": plain(info), "projects": [p.project_id for p in client.list_projects()]}


def upload(client, project_id, folder):
    project = client.get_project(project_id)
    with project.assets.create_upload_session(groups=["main"], show_progress=False) as session:
        session.add_path(folder)
    page = project.assets.list({"limit": 1000})
    return {
        "assets": plain(page.data),
        "groups": plain(project.assets.list_groups(["main"])),
        "operations": [plain(project.operations.get(each)) for each in session.operation_ids],
    }


def download(client, project_id, folder):
    project = client.get_project(project_id)
    project.assets.download(save_dir=folder, show_progress=False)
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(folder)) for path in found)


def asset(client, project_id, name):
    project = client.get_project(project_id)
    found = project.assets.get(name)
    changed = project.assets.update(name, {"status": "Review", "groups": ["a", "b"]})
    listed = project.assets.list(filters={"status": "Review", "groups": ["a"]})
    made = project.assets.add_custom_metadata(found.id, {"captureAt": "2021-03-10", "n": 1.5})
    batch = project.assets.add_custom_metadata_batch(
        [
            {"parent": {"filename": name}, "custom_metadata": {"more": True}},
            {"parent": {"filename": "nope.png"}, "custom_metadata": {"more": True}},
        ]
    )
    logs = project.assets.list_logs(name)
    gone = project.assets.delete_custom_metadata(name, made.id)
    after = project.assets.get_custom_metadata(name)
    deleted = project.assets.delete(name)
    return plain([found, changed, listed.data, made, batch, logs.data, gone, after, deleted])


def imported(client, project_id, path):
    project = client.get_project(project_id)
    session = project.annotations.create_import_session()
    with session as adding:
        adding.add_path(path)
    return plain(project.annotations.get_import_session(session.import_session_id))


def refused(client, project_id, path):
    project = client.get_project(project_id)
    session = project.annotations.create_import_session()
    try:
        with session as adding:
            adding.add_path(path)
    except error.BadRequestError as problem:
        return {"message": str(problem), "logs": plain(session.get_logs())}
    raise AssertionError("the import was not refused")


def annotated(client, project_id, asset_name):
    project = client.get_project(project_id)
    asset = project.assets.get(asset_name)
    made = [
        project.annotations.create(
            {
                "bound_type": "Rectangle",
                "bound": [[0.1, 0.1], [0.1, 0.5], [0.3, 0.5], [0.3, 0.1]],
                "asset_id": asset.id,
                "tag": f"t{number}",
            }
        )
        for number in range(5)
    ]
    pages, cursor = [], None
    while True:
        page = project.annotations.list(
            pagination={"limit": 2, "page": cursor},
            filters={"asset_ids": [asset.id]},
            include_attributes=True,
        )
        pages.append([each.id for each in page.data])
        cursor = page.next_page
        if cursor is None:
            break
    objects = project.objects.list(include_attributes=True)
    deleted = project.annotations.delete(made[0].id)
    try:
        project.annotations.get(made[0].id)
    except error.NotFoundError as problem:
        missing = str(problem)
    return plain([made, pages, objects.data, deleted, missing])


def exported(client, project_id, request, folder):
    project = client.get_project(project_id)
    operation = project.annotations.create_export(request)
    got = project.annotations.download_exported_file(operation.id, folder)
    return plain([operation, got])


def tags(client, project_id):
    project = client.get_project(project_id)
    answers = [
        project.tags.create({"name": "boat", "color": "#7ed957"}),
        project.tags.create({"name": "ship", "description": "a large boat"}),
        project.tags.create({"name": "raft"}),
        project.tags.update(1, {"name": "vessel"}),
        project.tags.merge(2, 1),
        project.tags.delete(1),
        project.tags.list(),
    ]
    schema = project.ontologies.create_schema(
        0,
        [
            {
                "name": "brand",
                "description": "Brand of the boat",
                "type": "Categorical",
                "required": False,
                "options": {"categories": ["A", "B"]},
                "default": "A",
            }
        ],
    )
    return plain([*answers, schema, project.ontologies.list_schemas(), project.list_users()])


def errors(client, project_id, viewer_key):
    caught = {}
    for name, call in {
        "missing": lambda: client.get_project(project_id).annotations.get("annot_x"),
        "no project": lambda: client.get_project("proj_" + "0" * 32).get_info(),
        "wrong key": lambda: Client("5aa41e8ba").list_projects(),
        "viewer": lambda: Client(viewer_key).get_project(project_id).tags.create({"name": "x"}),
    }.items():
        try:
            call()
        except error.Error as problem:
            caught[name] = [type(problem).__name__, str(problem)]
    return caught


if __name__ == "__main__":
    given = json.loads(sys.stdin.read())
    answer = globals()[sys.argv[1]](Client(given["key"]), *given["arguments"])
    print()
    print(json.dumps(answer))
