"""Queries: which annotations or images are meant, in one small language for every door."""
