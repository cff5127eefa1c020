"""What turns one state of annotations into another: added, removed, moved, retagged."""
