"""Geometry over arrays: boxes, rings, outlines, masks. Knows no rows."""
