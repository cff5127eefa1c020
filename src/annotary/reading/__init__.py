"""The way in: recognise, read, match, check, count."""
