"""The recipe that trains Impasto's painting networks; run it as `python -m models.training`."""
