"""Tests of the recipe, in seconds: `python -m pytest models/training`."""
