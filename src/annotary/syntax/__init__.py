"""Files whose every fault has a place, read in bounded memory. Knows no rows and no formats."""
