"""Any style network in ONNX, ours or another's, behind one call: picture in, picture out, both 0..1."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from ..export import picture_of, session
from ..problems import Problem


@dataclass(frozen=True)
class Network:
    """`top` is the tensor value of white: 1 or 255. `style_input` is None in a network of one style.

    `border_px` are painted around the picture and cropped; their cost counts. The output is in cells of `cell_px` pixels.
    """

    name: str
    runtime: onnxruntime.InferenceSession
    image_input: str
    style_input: str | None
    style_shape: tuple[int, ...]
    top: float
    border_px: int = 0
    multiple_px: int = 1
    cell_px: int = 1

    @property
    def style_count(self) -> int:
        return self.style_shape[-1] if self.style_input else 1

    def feed(self, image: np.ndarray, style: int) -> dict[str, np.ndarray]:
        right, below = (self.border_px + -(side + 2 * self.border_px) % self.multiple_px for side in image.shape[:1:-1])
        bordered = np.pad(image, ((0, 0), (0, 0), (self.border_px, below), (self.border_px, right)), mode="reflect")
        feed = {self.image_input: bordered * np.float32(self.top)}
        if self.style_input:
            weights = np.zeros(self.style_shape, np.float32)
            weights[..., style] = 1
            feed[self.style_input] = weights
        return feed

    def paint(self, image: np.ndarray, style: int = 0) -> np.ndarray:
        """image f32[1,3,H,W] RGB -> painted, of the same size, clamped."""
        painted = picture_of(self.runtime.run(None, self.feed(image, style))[0], self.cell_px) / self.top
        rows, columns = (slice(self.border_px, self.border_px + side) for side in image.shape[2:])
        return np.clip(painted[:, :, rows, columns], 0, 1)


def open_network(text: str, threads: int = 0) -> Network:
    """`text` is FILE.onnx, or FILE.onnx=255 for a network that reads 0..255 instead of 0..1.

    A manifest beside it tells the border and the cells.
    """
    file, _, top = text.partition("=")
    try:
        runtime = session(file, threads)
        white = float(top or 1)
    except Exception as error:
        raise Problem(f"cannot open the network {text}: {error}") from error
    images = [entry for entry in runtime.get_inputs() if len(entry.shape) == 4]
    others = [entry for entry in runtime.get_inputs() if len(entry.shape) != 4]
    if len(images) != 1 or len(others) > 1 or isinstance(images[0].shape[2], int):
        raise Problem(f"{file}: wanted one picture of any size, and at most one vector of style weights")
    style = others[0] if others else None
    shape = tuple(style.shape) if style else ()
    manifest = Path(file).with_suffix(".toml")
    told = tomllib.loads(manifest.read_text()) if manifest.exists() else {"input": {"size": {}}, "output": {}}
    size, cell_px = told["input"]["size"], told["output"].get("cells", 1)
    room = [size.get("border", 0), size.get("multiple_of", 1)]
    return Network(Path(file).stem, runtime, images[0].name, style and style.name, shape, white, *room, cell_px)
