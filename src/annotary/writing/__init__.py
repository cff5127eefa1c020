"""The way out: reduce, split, number, write, and say what was lost."""
