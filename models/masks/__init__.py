"""A network that finds people, from elsewhere."""
