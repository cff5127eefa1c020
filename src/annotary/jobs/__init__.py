"""What runs behind a call."""
