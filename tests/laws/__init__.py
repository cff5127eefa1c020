"""Laws that hold for every format."""
