"""What independent readers make of the tables that are written."""

from __future__ import annotations

import io

import pytest

from tests.test_tables import BOXES, TAGS, everything, there_and_back

pandas = pytest.importorskip("pandas")


@pytest.mark.parametrize("name", [name for name in BOXES if name != "retinanet_csv"])
def test_pandas_reads_boxes(name: str) -> None:
    def fill(sink) -> None:
        sink.normalized = True
        for i in range(3):
            sink.rectangle(0, i, 0.1, 0.2, 0.7, 0.3 + i / 7)

    _, _, files = there_and_back(name, fill, normalized=True)
    frame = pandas.read_csv(io.BytesIO(files["dump.csv"]))
    frame.columns = [column.lower() for column in frame.columns]
    label = next(c for c in ("label", "class", "labelname") if c in frame)
    assert frame[label].tolist() == TAGS
    assert frame["xmin"].tolist() == [0.1] * 3
    if name == "csv_widthheight":
        assert (frame["xmin"] + frame["width"]).tolist() == [0.7] * 3
        assert (frame["ymin"] + frame["height"]).tolist() == pytest.approx(
            [0.3, 0.3 + 1 / 7, 0.3 + 2 / 7]
        )
    else:
        assert frame["ymax"].tolist() == [0.3, 0.3 + 1 / 7, 0.3 + 2 / 7]


def test_pandas_reads_retinanet_as_its_author_does() -> None:
    def fill(sink) -> None:
        sink.normalized = True
        sink.rectangle(0, 1, 0.1, 0.2, 0.7, 0.5)

    _, _, files = there_and_back("retinanet_csv", fill, normalized=False)
    frame = pandas.read_csv(io.BytesIO(files["dump.csv"]), header=None)
    assert frame[0].tolist() == ['a, "b".png', "empty.jpg", "v1.2 é.png"]
    assert frame.loc[0, 1:4].tolist() == [40, 40, 280, 100]
    assert frame.loc[1:, 1:].isna().all(axis=None)
    classes = pandas.read_csv(io.BytesIO(files["classes.csv"]), header=None)
    assert classes.values.tolist() == [[name, i] for i, name in enumerate(TAGS)]


def test_pandas_reads_parquet() -> None:
    pytest.importorskip("pyarrow")
    _, _, files = there_and_back("parquet", everything)
    frame = pandas.read_parquet(io.BytesIO(files["dump.parquet"]))
    assert frame["kind"].value_counts().to_dict() == {
        "Polygon": 5,
        "Classification": 3,
        "Keypoints": 2,
        "Rectangle": 2,
    }
    assert frame["object"].is_monotonic_increasing
    assert frame["coords"][0].tolist() == [0.25, 0.25, 0.75, 0.5]
    images = pandas.read_parquet(io.BytesIO(files["dump.images.parquet"]))
    assert images.to_dict("list") == {
        "name": ['a, "b".png', "empty.jpg", "v1.2 é.png"],
        "width": [400, 10, 333],
        "height": [200, 10, 777],
    }
