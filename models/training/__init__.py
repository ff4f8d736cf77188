"""The recipe that trains Impasto's painting networks; run it as `python -m models.training`."""

import os

# ONNX Runtime reads this when it is imported, and sends telemetry without it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
