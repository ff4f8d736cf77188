"""Measurements that anyone can repeat: milliseconds, flicker, and loss against the slow reference."""
