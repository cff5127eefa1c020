"""What several formats share; no format is in here."""
