"""VGG16 up to relu4_3 (Simonyan & Zisserman 2014), the fixed eye that the losses look through."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .problems import Problem

LAYERS = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3"]
CHANNELS = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512]
CAFFE_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Indices of the same convolutions in torchvision's vgg16().features.
TORCHVISION_INDEX = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21]


class Vgg(nn.Module):
    """image f32[B,3,H,W] RGB 0..1 -> features after the last ReLU of each stage, by name."""

    def __init__(self, weights: dict[str, torch.Tensor], mean: Sequence[float], scale: Sequence[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1))
        self.convs = nn.ModuleDict()
        for name, channels_in, channels_out in zip(LAYERS, CHANNELS, CHANNELS[1:]):
            conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)
            for part, target in (("weight", conv.weight), ("bias", conv.bias)):
                source = weights.get(f"{name}.{part}")
                if source is None or source.shape != target.shape:
                    found = "missing" if source is None else f"of shape {tuple(source.shape)}"
                    raise Problem(f"these are not VGG16's weights: {name}.{part} is {found}, wanted {tuple(target.shape)}")
                target.data.copy_(source)
            self.convs[name] = conv
        self.requires_grad_(False)
        self.to(memory_format=torch.channels_last)

    @property
    def precision(self) -> torch.dtype:
        return self.convs["conv1_1"].weight.dtype

    def forward(self, image: torch.Tensor, last: str = "relu4_3") -> dict[str, torch.Tensor]:
        x = (image.to(self.mean.device) - self.mean) * self.scale
        x = x.to(self.precision, memory_format=torch.channels_last)
        features = {}
        for name, conv in self.convs.items():
            x = F.relu(conv(x))
            stage = f"relu{name[4:]}"
            if stage in ("relu1_2", "relu2_2", "relu3_3", "relu4_3"):
                features[stage] = x.float()
                if stage == last:
                    break
                x = F.max_pool2d(x, 2)
        return features


def at_fastest_precision(eye: Vgg) -> Vgg:
    """Sees in bfloat16 where that is faster than in float32: CPUs with AVX-512 BF16 or AMX, and NVIDIA cards.

    The features are float32 in any case; Gram matrices are not taken in bfloat16.
    """

    def seconds(precision: torch.dtype) -> float:
        eye.to(precision)
        image = torch.rand(2, 3, 128, 128, requires_grad=True)
        taken = []
        for _ in range(4):
            began = time.perf_counter()
            eye(image)["relu4_3"].mean().backward()
            taken.append(time.perf_counter() - began)
        return min(taken)

    mean, scale = eye.mean.clone(), eye.scale.clone()
    fastest = torch.bfloat16 if mean.is_cuda else min((torch.float32, torch.bfloat16), key=seconds)
    eye.to(fastest)
    eye.mean, eye.scale = mean, scale
    return eye


def load(path: Path) -> Vgg:
    """Reads Caffe's weights from an `.npz` (BGR, 0..255) or torchvision's `vgg16` from a `.pth` file."""
    if not path.is_file():
        raise Problem(
            f"no VGG16 weights at {path}; fetch torchvision's file from "
            "https://download.pytorch.org/models/vgg16-397923af.pth and name it with --vgg"
        )
    try:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                weights = {key: torch.from_numpy(arrays[key].astype(np.float32)) for key in arrays.files}
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            weights = {
                f"{name}.{part}": state[f"features.{index}.{part}"]
                for name, index in zip(LAYERS, TORCHVISION_INDEX)
                for part in ("weight", "bias")
            }
    except Exception as error:
        raise Problem(f"cannot read VGG16 weights from {path}: {error}") from error
    if path.suffix == ".npz":
        return Vgg(rgb_first_layer(weights), mean=CAFFE_MEAN, scale=(255.0,) * 3)
    return Vgg(weights, mean=IMAGENET_MEAN, scale=[1 / deviation for deviation in IMAGENET_STD])


def rgb_first_layer(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Caffe's networks read BGR: reverses the input channels of conv1_1."""
    first = weights.get("conv1_1.weight")
    return weights if first is None or first.ndim != 4 else weights | {"conv1_1.weight": first.flip(1)}
