"""Looking at annotations in a browser: facts, and the pages that show them."""
