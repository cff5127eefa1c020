"""What a format could not carry: counted by code, and told."""

from __future__ import annotations

from annotary.model import Loss

TEXTS = {
    "left-out": "{count} {what} were left out: the format has no place for them.",
    "as-box": "{count} {what} were written as their boxes.",
    "as-mask": "{count} {what} were written as masks of whole pixels.",
    "as-outline": "{count} masks were written as their outlines, point by point.",
    "parts": "{count} objects of several parts were written as one object per part.",
    "members": "{count} objects kept only one of their shapes (an outline, box or keypoints).",
    "holes": "{count} holes were left out.",
    "attributes": "{count} attribute values were left out.",
    "attribute-types": "{count} attribute values may come back as another type of value.",
    "properties": "{count} properties were left out ({what}).",
    "frames": "{count} frame numbers were left out.",
    "class-names": "{count} class names were left out: the format has no place for them.",
    "edges": "{count} edges of skeletons were left out.",
    "empty-images": "{count} images without annotations could not be listed.",
    "unknown-size": "{count} annotations were left out: the size of their image is not known.",
    "merged": "{count} objects were merged with others of their class.",
    "images-missing": "{count} images were not written: their files are not at hand.",
    "images-damaged": "{count} images were not written: their files are damaged.",
    "bytes-missing": "{count} images have no bytes there: their files are not at hand.",
    "bytes-damaged": "{count} images have no bytes there: their files are damaged.",
    "images-unplaced": "{count} images were not written: they have no class to lie under.",
    "renamed": "{count} images have another name there, as the layout demands ({what}).",
    "rounded": "Coordinates of {count} annotations are rounded: {what}.",
}
"""What each code of a loss means."""

GEOMETRY_KEPT = frozenset({"empty-images"})


class Losses:
    """Counts by code and, where it helps, by what was lost."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, code: str, count: int, what: str = "") -> None:
        """Count ``count`` more."""
        if count:
            self._counts[code, what] = self._counts.get((code, what), 0) + int(count)

    def update(self, other: Losses) -> None:
        """Count all that another one has counted."""
        for (code, what), count in other._counts.items():
            self.add(code, count, what)

    def __bool__(self) -> bool:
        return bool(self._counts)

    def listing(self) -> list[Loss]:
        """All losses with their texts, most important first."""
        order = list(TEXTS)
        merged: dict[tuple[str, str], int] = {}
        properties: list[str] = []
        for (code, what), count in self._counts.items():
            if code == "properties":
                properties.append(what)
            merged[code, what] = count
        if properties:
            total = sum(merged.pop(("properties", what)) for what in properties)
            merged["properties", ", ".join(sorted(properties)[:8])] = total
        return [
            Loss(code=code, count=count, text=TEXTS[code].format(count=count, what=what))
            for (code, what), count in sorted(
                merged.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
            )
        ]
