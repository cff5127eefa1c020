"""Annotary: the store for image annotations."""
