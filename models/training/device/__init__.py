"""Training for a few minutes on a fast card elsewhere: a pack of all it needs, and one command that trains there."""
