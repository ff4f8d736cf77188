"""Milliseconds a frame of our networks on an NVIDIA card, through ONNX Runtime's CUDA provider."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F

from ..network import BORDER_PX, SHAPES
from ..problems import Problem

SIZES = [(1280, 720), (1920, 1080), (3840, 2160)]
# Name, whether it computes in half precision, and the provider's settings.
WAYS = [
    ("f32", False, {"use_tf32": 0}),
    ("tf32", False, {"use_tf32": 1}),
    ("tf32, channels last", False, {"use_tf32": 1, "prefer_nhwc": 1}),
    ("f16", True, {}),
    ("f16, CUDA graph", True, {"enable_cuda_graph": 1}),
]
RUNS, WARM_UPS = 20, 3


def measure(networks: list[Path]) -> None:
    """Prints a table: on the card alone, with page-locked copies to and fro, and as a plain run on memory of the processor.

    The last column tells how far the picture is from the one in f32.
    """
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise Problem("this onnxruntime knows no CUDA: install onnxruntime-gpu, on a machine with an NVIDIA card")
    print(f"{torch.cuda.get_device_name(0)}, ONNX Runtime {onnxruntime.__version__}")
    print("| network | size | computed in | on the card, ms | with copies, ms | plain run, ms | PSNR, dB |")
    print("|---|---|---|---|---|---|---|")
    for path in networks:
        for width, height in SIZES:
            exact = None
            for way, half, settings in WAYS:
                times, painted = timed(path, width, height, half, settings)
                exact = painted if exact is None else exact
                print(f"| {path.stem} | {width}x{height} | {way} | {' | '.join(times)} | {psnr(painted, exact):.1f} |", flush=True)


def timed(path: Path, width: int, height: int, half: bool, settings: dict[str, int]) -> tuple[list[str], np.ndarray]:
    model = onnx.load(path)
    if half:
        # Comes with ONNX Runtime.
        from onnxruntime.transformers.float16 import convert_float_to_float16

        model = convert_float_to_float16(model)
    options = onnxruntime.SessionOptions()
    # Errors only: it warns of every operator that it leaves to the processor.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[("CUDAExecutionProvider", settings)])
    numpy_type, torch_type = (np.float16, torch.float16) if half else (np.float32, torch.float32)
    image, style = (values.astype(numpy_type) for values in inputs(session, SHAPES[path.stem].multiple, width, height))
    cell = SHAPES[path.stem].cell_px
    on_card = [torch.from_numpy(values).cuda() for values in (image, style)]
    painted = torch.empty((1, 3 * cell * cell, image.shape[2] // cell, image.shape[3] // cell), dtype=torch_type, device="cuda")
    binding, names = session.io_binding(), [each.name for each in session.get_inputs()]
    for name, values in zip(names, on_card):
        binding.bind_input(name, "cuda", 0, numpy_type, tuple(values.shape), values.data_ptr())
    binding.bind_output(session.get_outputs()[0].name, "cuda", 0, numpy_type, tuple(painted.shape), painted.data_ptr())
    sent, received = torch.from_numpy(image).pin_memory(), torch.empty(painted.shape, dtype=torch_type).pin_memory()

    def with_copies() -> None:
        on_card[0].copy_(sent, non_blocking=True)
        torch.cuda.synchronize()
        session.run_with_iobinding(binding)
        received.copy_(painted)

    times = [median_ms(lambda: session.run_with_iobinding(binding)), median_ms(with_copies)]
    # A recorded graph reads and writes the memory that it was recorded with.
    plain = "" if settings.get("enable_cuda_graph") else f"{median_ms(lambda: session.run(None, dict(zip(names, (image, style))))):.2f}"
    return [f"{each:.2f}" for each in times] + [plain], received.float().numpy()


def inputs(session: onnxruntime.InferenceSession, multiple: int, width: int, height: int) -> list[np.ndarray]:
    """A picture of soft forms with its border, and the first style."""
    high, wide = (-(-(side + 2 * BORDER_PX) // multiple) * multiple for side in (height, width))
    forms = torch.rand(1, 3, high // 16, wide // 16, generator=torch.Generator().manual_seed(1))
    style = np.zeros(session.get_inputs()[1].shape, np.float32)
    style[1] = 1
    return [F.interpolate(forms, (high, wide), mode="bilinear").numpy(), style]


def median_ms(run: Callable[[], None]) -> float:
    for _ in range(WARM_UPS):
        run()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def psnr(painted: np.ndarray, exact: np.ndarray) -> float:
    return float(10 * np.log10(1 / max(1e-12, np.square(painted.clip(0, 1) - exact.clip(0, 1)).mean())))
