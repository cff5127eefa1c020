"""Pictures with their annotations drawn on them, and the colours that all pictures share."""
