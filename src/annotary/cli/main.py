"""The root command, and the list of all commands."""

from __future__ import annotations

import atexit
import gc
import os

import click

from annotary.cli import (
    assets,
    checking,
    converting,
    difference,
    drawing,
    exports,
    formats,
    history,
    importing,
    projects,
    report,
    sessions,
    tags,
    view,
)
from annotary.cli import server as serving
from annotary.cli.annotations import annotation
from annotary.cli.context import shared
from annotary.cli.failures import Program

# numpy starts threads for linear algebra, of which nothing is done here
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# what is left when the process ends need not be looked through for garbage
atexit.register(gc.freeze)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="annotary", prog_name="annotary")
@shared
def main() -> None:
    """The store for image annotations, fluent in every training format.

    \b
    annotary convert labels.json --to yolo_darknet --out yolo/
    annotary check labels.json
    annotary project create pets
    annotary import pets labels.json --create-assets
    annotary export pets --format pascal_voc --out voc/ --split-ratio 0.2
    """


for _command in (
    projects.project,
    assets.asset,
    annotation,
    tags.tag,
    tags.ontology,
    sessions.imports,
    projects.stats,
    importing.import_,
    exports.export,
    converting.convert,
    checking.check,
    difference.diff,
    drawing.draw,
    view.view,
    report.report,
    formats.formats,
    history.log,
    history.undo,
    history.snapshot,
    history.trash,
    serving.serve,
    serving.key,
    serving.completion,
):
    main.add_command(_command)
