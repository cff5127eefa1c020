"""Pictures with their annotations, drawn by the SDK: for assets, annotations and projects."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from annotary import model, routes
from annotary.client.transport import Transport
from annotary.errors import BadRequestError

if TYPE_CHECKING:
    from PIL.Image import Image

    from annotary.pictures import Picture

LONGEST = 1280
"""The longer side of a drawing in pixels, when nothing else is asked."""
_PER_CALL = 100
_IN_LIST = 500


class Drawings:
    """Draws the assets of one project."""

    def __init__(
        self,
        transport: Transport,
        project_id: str,
        elsewhere: Callable[[str], bytes | None] = lambda name: None,
    ) -> None:
        """``elsewhere`` has the files of images that the project knows by name only."""
        self._transport = transport
        self._project_id = project_id
        self._elsewhere = elsewhere

    def assets(self) -> Iterator[model.Asset]:
        """All assets of the project."""
        page = None
        while True:
            request = routes.ListAssets(project_id=self._project_id, limit=_IN_LIST, page=page)
            found: model.PaginationResponse[model.Asset] = self._transport.call(
                "assets.list", request
            )
            yield from found.data
            page = found.next_page
            if not page:
                return

    def asset(
        self,
        asset: model.Asset,
        *,
        longest: int = LONGEST,
        tags: Sequence[str] = (),
        annotation: str | None = None,
    ) -> Image:
        """One asset with its annotations; with ``annotation``, the part around this one."""
        from annotary.drawing import overlay

        every = list(self.annotations(asset.id))
        meant = [each for each in every if each.id == annotation]
        if annotation is not None:
            group = meant[0].group if meant else None
            every = [each for each in every if group and each.group == group] or meant
            # what is cut out later must be large enough to be looked at
            picture = self.picture(asset, 8 * longest)
        else:
            picture = self.picture(asset, longest)
        image = overlay.draw(picture, every, self.colours(), meant=tags)
        if annotation is not None:
            image = overlay.crop(image, [p for each in every for p in overlay.points_of(each)])
            image.thumbnail((longest, longest))
        return image

    def annotations(self, asset_id: str | None = None) -> Iterator[model.Annotation]:
        """All annotations of an asset, or of the project."""
        page = None
        while True:
            request = routes.ListAnnotations(
                project_id=self._project_id,
                limit=_PER_CALL * 10,
                page=page,
                asset_id=[asset_id] if asset_id else [],
            )
            found: model.PaginationResponse[model.Annotation] = self._transport.call(
                "annotations.list", request
            )
            yield from found.data
            page = found.next_page
            if not page:
                return

    def colours(self) -> dict[str, str]:
        """``#rrggbb`` by tag."""
        from annotary.drawing.colours import of_tags

        found: list[model.Tag] = self._transport.call(
            "tags.list", routes.ListTags(project_id=self._project_id)
        )
        return of_tags(found)

    def picture(self, asset: model.Asset, longest: int) -> Picture:
        """An asset's picture, or the ground that says why there is none."""
        from annotary.pictures import absent, open_picture

        size = (asset.metadata.width, asset.metadata.height)
        content = None
        if asset.url:
            out = io.BytesIO()
            try:
                self._transport.download(asset.url, out)
            except OSError:
                return absent("the picture is not there", size, longest)
            content = out.getvalue()
        else:
            content = self._elsewhere(asset.filename)
        return open_picture(content, size, longest)

    def chosen(self, sample: int | None, seed: int, tags: Sequence[str] = ()) -> list[model.Asset]:
        """The assets to draw, in order: all, or as many as ``sample`` says, chosen by ``seed``.

        With ``tags``, only assets that have an annotation of one of them.
        """
        if sample is not None and sample < 1:
            raise BadRequestError(
                f"A sample of {sample} images is none.", hint="Ask for 1 or more."
            )
        every = list(self.assets())
        if tags:
            known = self.colours()
            unknown = [tag for tag in tags if tag not in known]
            if unknown:
                raise BadRequestError(
                    f"There is no tag {unknown[0]!r}.",
                    hint=f"There are: {', '.join([*known][:20]) or 'none'}.",
                )
            every = [
                each for each in every if any(a.tag in tags for a in self.annotations(each.id))
            ]
        if sample is None or sample >= len(every):
            return every
        places = random.Random(seed).sample(range(len(every)), sample)  # noqa: S311 - not secret
        return [every[at] for at in sorted(places)]
