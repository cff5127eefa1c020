"""RetinaNet CSV: boxes without a header, and a row for images without any.

    image.png,40,20,120,100,dog
    empty.png,,,,,

**Source.** fizyr/keras-retinanet, "CSV datasets": ``path,x1,y1,x2,y2,class_name`` in pixels; five
empty cells stand for an image without objects. Its list of classes is a second table,
``class_name,id``, with ids from 0.

**Read.** Every row of six cells is a Rectangle. The class list of the same import gives the
classes their numbers. Units and text as in
:mod:`csv_fourcorner <annotary.formats.csv_fourcorner>`.

**Written.** ``<part>.csv`` and ``classes.csv``; Rectangles, exactly, in pixels unless fractions
are asked for. **Lost:** image sizes, attributes, properties, and the shape of what is no
rectangle.
"""

from __future__ import annotations

from annotary.contract.dataset import Dataset
from annotary.contract.format import Carries, Format
from annotary.contract.output import Output
from annotary.contract.rows import RowSink
from annotary.formats.kit import tables
from annotary.syntax.csv import Table, first_rows, quoted
from annotary.syntax.source import FileSet, SourceFile

CLASS_LIST = "retinanet-classes"


class RetinanetCsv(Format):
    """See the module."""

    name = "retinanet_csv"
    title = "RetinaNet CSV"
    family = "retinanet"
    extensions = (".csv",)
    reads = True
    writes = True
    project_types = ("ObjectDetection",)
    header_lines = 0
    carries = Carries(
        rectangle="Rectangle", polygon="Rectangle", bitmask="Rectangle", class_numbers="dense"
    )

    def sniff(self, source: SourceFile, files: FileSet) -> bool:
        return tables.recognised(source) == self.name

    def companion(self, source: SourceFile) -> str | None:
        if source.suffix != ".csv" or "class" not in source.stem.casefold():
            return None
        rows = first_rows(source, 10_000)
        numbers = [row[1].strip() for row in rows if len(row) == 2]
        is_list = len(numbers) == len(rows) and numbers == [str(i) for i in range(len(rows))]
        return CLASS_LIST if rows and is_list else None

    def read(self, source: SourceFile, rows: RowSink, files: FileSet) -> None:
        classes = files.nearest(source, CLASS_LIST)
        if classes is not None:
            rows.id_space = self.family
            for name, number in first_rows(classes, 10_000):
                rows.tag(name, int(number))
        table = Table(source, header=False)
        unit = tables.unit_of(table, (1, 2, 3, 4))
        rows.normalized = unit.normalized
        for cells in table.records(rows):
            if len(cells) != 6:
                table.wrong_count(rows, cells, 6)
                continue
            name, *corners, label = cells
            if not name:
                rows.reject("missing-key", table.place(0), key="The image's path", record="row")
            elif not label.strip() and not any(cell.strip() for cell in corners):
                rows.image(name, at=table.line)
            elif not label:
                rows.reject("missing-key", table.place(5), key="The class", record="row with a box")
            elif (box := table.numbers(rows, cells, (1, 2, 3, 4))) is not None:
                if not unit.normalized:
                    unit.look(box[2], box[3], table.line)
                image = rows.image(name, at=table.line)
                rows.rectangle(image, rows.tag(label), *tables.four(box), table.line)
        unit.tell(rows)

    def write(self, data: Dataset, out: Output) -> None:
        classes = tables.quoted_all(data.names)
        for part in data.parts:
            names = part.images.names
            with out.file(f"{part.name}.csv") as file:
                following = 0
                for batch, images, boxes, labels in tables.box_rows(
                    part, tables.quoted_all(names), classes, normalized=data.normalized
                ):
                    texts = []
                    numbers = batch.image.tolist()
                    for image, *cells in zip(numbers, images, boxes, labels, strict=True):
                        texts += [f"{quoted(names[i])},,,,," for i in range(following, image)]
                        following = image + 1
                        texts.append(",".join(cells))
                    file.write(tables.lines(texts))
                rest = range(following, len(names))
                file.write(tables.lines(f"{quoted(names[i])},,,,," for i in rest))
        with out.file("classes.csv") as file:
            numbered = zip(classes, data.numbers.tolist(), strict=True)
            file.write(tables.lines(f"{name},{number}" for name, number in numbered))


FORMAT = RetinanetCsv()
