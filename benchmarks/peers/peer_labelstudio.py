"""Label Studio's HTTP API, as its client sees it.

    prepare COCO TASKS      its own converter: COCO to its tasks, and TASKS' label config
    import URL TASKS        make a project, send the tasks; prints the project's number
    export URL PROJECT OUT  the project as COCO, a zip

The server runs beside this (see ``labelstudio.py``). Starting it and ``prepare`` are not part of
the timed work; requests are plain ones, without the client package's start-up.
"""

import json
import sys
import urllib.request
from pathlib import Path

TOKEN = "0123456789abcdef0123456789abcdef01234567"


def call(method: str, url: str, body: bytes | None = None) -> bytes:
    headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=1200) as answer:
        content: bytes = answer.read()
    return content


def prepare(coco: str, tasks: str) -> None:
    from label_studio_sdk.converter.imports.coco import convert_coco_to_ls

    convert_coco_to_ls(
        input_file=coco,
        out_file=tasks,
        out_type="annotations",
        image_root_url="http://images.example.org",
    )


def import_tasks(url: str, tasks: str) -> None:
    path = Path(tasks)
    config = path.with_suffix(".label_config.xml").read_text()
    project = json.dumps({"title": "benchmark", "label_config": config}).encode()
    number = json.loads(call("POST", f"{url}/api/projects", project))["id"]
    answer = json.loads(call("POST", f"{url}/api/projects/{number}/import", path.read_bytes()))
    print(json.dumps(answer), file=sys.stderr)
    print(number)


def export(url: str, project: str, out: str) -> None:
    query = "exportType=COCO&download_resources=false"
    Path(out).write_bytes(call("GET", f"{url}/api/projects/{project}/export?{query}"))


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    if task == "prepare":
        prepare(*arguments)
    elif task == "import":
        import_tasks(*arguments)
    else:
        export(*arguments)
