"""The same job as `impasto file`, as one would write it in Python: OpenCV decodes, ONNX Runtime paints, ffmpeg encodes.

    python -m venv /tmp/venv && /tmp/venv/bin/pip install opencv-python-headless onnxruntime numpy
    /tmp/venv/bin/python benches/baseline.py IN OUT [--style NAME] [--network models/lite.toml] [--threads N]
"""

import argparse
import subprocess
import time
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

parser = argparse.ArgumentParser()
parser.add_argument("input")
parser.add_argument("output")
parser.add_argument("--style", default="starry_night")
parser.add_argument("--network", type=Path, default=Path("models/lite.toml"))
parser.add_argument("--threads", type=int, default=0)
args = parser.parse_args()

manifest = tomllib.loads(args.network.read_text())
options = ort.SessionOptions()
options.intra_op_num_threads = args.threads
session = ort.InferenceSession(args.network.with_name(manifest["file"]), options, providers=["CPUExecutionProvider"])
row = next(style["row"] for style in manifest["style"] if style["name"] == args.style)
weights = np.eye(manifest["style_input"]["count"], dtype=np.float32)[row]
size = manifest["input"].get("size", {})
multiple, border = size.get("multiple_of", 1), size.get("border", 0)
low, high = manifest["input"]["range"]

video = cv2.VideoCapture(args.input)
width, height = (int(video.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
command = f"ffmpeg -v error -y -f rawvideo -pix_fmt bgr24 -s {width}x{height} -r {video.get(cv2.CAP_PROP_FPS)} -i - "
command += "-c:v libx264 -preset veryfast -bf 0 -crf 20 -pix_fmt yuv420p"
encoder = subprocess.Popen([*command.split(), args.output], stdin=subprocess.PIPE)
begun, frames, inference = time.perf_counter(), 0, 0.0
while (read := video.read())[0]:
    right, bottom = (-(side + 2 * border) % multiple for side in (width, height))
    frame = cv2.copyMakeBorder(read[1], border, border + bottom, border, border + right, cv2.BORDER_REFLECT_101)
    tensor = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.float32) * ((high - low) / 255) + low
    image = np.ascontiguousarray(tensor.transpose(2, 0, 1)[None])
    start = time.perf_counter()
    feed = {manifest["input"]["name"]: image, manifest["style_input"]["name"]: weights}
    painted = session.run([manifest["output"]["name"]], feed)[0][0]
    inference += time.perf_counter() - start
    painted = painted[:, border : border + height, border : border + width]
    pixels = np.clip((painted - low) * (255 / (high - low)) + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    encoder.stdin.write(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR).tobytes())
    frames += 1
encoder.stdin.close()
encoder.wait()
seconds = time.perf_counter() - begun
print(f"{frames} frames in {seconds:.2f} s, {1000 * seconds / frames:.2f} ms a frame, inference {1000 * inference / frames:.2f}")
