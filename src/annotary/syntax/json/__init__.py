"""JSON (RFC 8259) with the place of every value."""
