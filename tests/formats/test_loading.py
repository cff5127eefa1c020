"""Formats are loaded when they are asked for, and a broken one says which it is."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from annotary import formats
from annotary.errors import InternalServerError


def test_a_format_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module

    def broken(name: str) -> ModuleType:
        if name == "annotary.formats.kitti":
            raise ImportError("No module named 'wheels'")
        return load(name)

    formats.get.cache_clear()
    formats.readers.cache_clear()
    monkeypatch.setattr(importlib, "import_module", broken)
    try:
        assert formats.get("coco").name == "coco"
        for load_it in (lambda: formats.get("kitti"), formats.readers):
            with pytest.raises(InternalServerError, match=r"kitti.*'wheels'"):
                load_it()
    finally:
        formats.get.cache_clear()
        formats.readers.cache_clear()
