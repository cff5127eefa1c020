"""From files to files, without a store."""
