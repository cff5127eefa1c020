"""All that the author of a format reads: what a format is, what it fills and what it is given."""
