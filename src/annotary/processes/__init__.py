"""Work that a second process shares."""
