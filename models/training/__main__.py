"""The command line of the recipe: `./dev train COMMAND`, or `python -m models.training COMMAND`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from . import add, checkpoint, export, gallery, gatys, losses, train, vgg
from .data import Style, read_styles, to_picture, to_tensor
from .device import pack, run as device_run
from .network import SHAPES
from .problems import Problem
from .proof import calm, card, curve, flicker, frame, held_out, int8, layers, speed
from .teach import CROP_PX, SMALLEST_CROP_PX

HERE = Path(__file__).parent
PACK = Path("target/pack")
# Of a run on a fast card. With their borders they leave three quarters of the coarsest cell free, so that pictures hang
# anywhere beside the cells, and the large ones show enough of large strokes.
CARD_CROPS_PX = [248, 376, 504, 728]
# So short that one step is trained.
LEAST_MINUTES = 1e-4


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        options.run_command(options)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./dev train", description=sys.modules[__package__].__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    teach = commands.add_parser("trunk", help="train a network with all its styles, or go on training it")
    teach.add_argument("--network", choices=SHAPES, default="lite")
    add_paintings(teach)
    add_photos(teach)
    add_vgg(teach)
    teach.add_argument("--run", type=Path, required=True, help="folder of this run; goes on where it stopped")
    teach.add_argument("--start", type=Path, help="checkpoint that a new run starts from; of a network of another shape it takes what fits")
    length = teach.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=number(float, LEAST_MINUTES), default=120.0, help="(default: %(default)s)")
    length.add_argument("--steps", type=number(int, 1), help="train for so many steps, however long they take")
    teach.add_argument("--crop-px", dest="crops_px", type=number(int, SMALLEST_CROP_PX), nargs="+", default=[CROP_PX], help="sides of the squares of photographs it learns on, in turn (default: 256)")
    teach.add_argument("--styles-a-step", type=int, default=2, help="(default: %(default)s)")
    teach.add_argument("--photos-a-step", type=number(int, 1), default=1, help="each in so many styles; more is for a fast card (default: %(default)s)")
    teach.add_argument("--rate", type=float, default=4e-3, help="Adam's step at the start; Muon's is ten times as long (default: %(default)s)")
    teach.add_argument("--threads", type=int, default=0, help="CPU threads (default: as many as there are cores)")
    teach.add_argument("--save-minutes", type=float, default=3.0, help="(default: %(default)s)")
    teach.add_argument("--samples", type=Path, nargs="*", default=[], help="pictures to paint at every save")
    add_weights(teach)
    teach.set_defaults(run_command=run_train)

    goods = commands.add_parser("pack", help="gather what a run on another machine needs, in 50 MB")
    goods.add_argument("--to", type=Path, default=PACK, help="folder, emptied first (default: %(default)s)")
    goods.add_argument("--photos", type=Path, nargs="+", required=True, help="folders of photographs to paint on; each gets an equal part of the room")
    add_paintings(goods)
    add_vgg(goods)
    goods.set_defaults(run_command=lambda o: pack.pack(o.to, o.photos, o.paintings, o.styles, o.vgg))

    there = commands.add_parser("packed", help="train from a pack, on an NVIDIA card in large batches")
    there.add_argument("pack", type=Path, nargs="?", default=PACK, help="(default: %(default)s)")
    there.add_argument("--run", type=Path, required=True, help="folder of this run; goes on where it stopped")
    there.add_argument("--network", choices=SHAPES, default="lite")
    add_styles(there)
    there.add_argument("--minutes", type=number(float, LEAST_MINUTES), default=8.0, help="(default: %(default)s)")
    there.add_argument("--crop-px", dest="crops_px", type=number(int, SMALLEST_CROP_PX), nargs="+", default=CARD_CROPS_PX, help="sides of the squares it learns on, in turn (default: 248 376 504 728)")
    there.add_argument("--photos-a-step", type=number(int, 1), default=16, help="each in two styles (default: %(default)s)")
    there.add_argument("--rate", type=float, default=2e-3, help="Adam's step at the start; Muon's is ten times as long (default: %(default)s)")
    there.add_argument("--samples", type=Path, nargs="*", default=[], help="pictures to paint at every save")
    add_weights(there)
    there.set_defaults(run_command=run_packed)

    more = commands.add_parser("add", help="teach a trained network one more painting; the old styles stay as they are")
    add_painting(more)
    more.add_argument("--name", required=True, help="its name in the manifest, like starry_night")
    more.add_argument("--title", help="(default: the name)")
    more.add_argument("--artist", default="unknown")
    more.add_argument("--year", default="unknown")
    more.add_argument("--licence", default="unknown", help="of the painting (default: %(default)s)")
    add_checkpoint(more)
    more.add_argument("--to", type=Path, help="checkpoint to write (default: the one that was read)")
    add_photos(more)
    add_vgg(more)
    more.add_argument("--minutes", type=number(float, LEAST_MINUTES), default=10.0, help="(default: %(default)s)")
    more.add_argument("--rate", type=float, default=4e-3, help="Adam's step at the start; Muon's is ten times as long (default: %(default)s)")
    add_weights(more)
    more.set_defaults(run_command=run_add)

    still = commands.add_parser("gatys", help="paint one photograph slowly, by optimising the picture itself")
    still.add_argument("photo", type=Path)
    add_painting(still)
    still.add_argument("output", type=Path, help="picture to write")
    add_vgg(still)
    still.add_argument("--height", type=int, default=256, help="pixels (default: %(default)s)")
    still.add_argument("--iterations", type=int, default=300, help="(default: %(default)s)")
    add_weights(still)
    still.set_defaults(run_command=run_gatys)

    ship = commands.add_parser("export", help="write a network to ONNX with its manifest")
    add_checkpoint(ship)
    ship.add_argument("--to", type=Path, default=HERE.parent, help="folder (default: %(default)s)")
    ship.set_defaults(run_command=lambda options: export.export(options.checkpoint, options.to))

    look = commands.add_parser("gallery", help="paint photographs in every style, and blends, to look at")
    look.add_argument("photos", type=Path, nargs="+", help="the first one is painted for the previews and the blends")
    add_checkpoint(look)
    look.add_argument("--to", type=Path, default=HERE.parent / "gallery", help="folder (default: %(default)s)")
    look.add_argument("--height", type=int, default=256, help="pixels (default: %(default)s)")
    look.set_defaults(run_command=run_gallery)

    side = commands.add_parser("compare", help="paint one photograph with several networks, a line each")
    side.add_argument("photo", type=Path)
    side.add_argument("output", type=Path, help="picture to write")
    side.add_argument("--checkpoints", type=Path, nargs="+", required=True)
    side.add_argument("--style-names", nargs="+", required=True)
    side.add_argument("--height", type=int, default=256, help="pixels (default: %(default)s)")
    side.set_defaults(run_command=run_compare)

    judge = commands.add_parser("losses", help="content and style loss of each style on photographs that were not trained on")
    judge.add_argument("checkpoints", type=Path, nargs="+")
    judge.add_argument("--pictures", type=Path, nargs="+", required=True, help="photographs that were not trained on")
    judge.add_argument("--paintings", type=Path, required=True, help="folder of the paintings")
    judge.add_argument("--height", type=int, default=360, help="pixels (default: %(default)s)")
    add_vgg(judge)
    judge.set_defaults(run_command=lambda o: held_out.measure(o.checkpoints, o.pictures, o.height, o.vgg, o.paintings))

    fast = commands.add_parser("speed", help="milliseconds a frame of ONNX networks, side by side")
    fast.add_argument("networks", nargs="+", help="FILE.onnx, or FILE.onnx=255 if it reads 0..255; the first is compared with")
    fast.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="(default: %(default)s)")
    fast.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    fast.add_argument("--seconds", type=float, default=1.0, help="a turn (default: %(default)s)")
    fast.set_defaults(run_command=lambda o: speed.measure(o.networks, o.threads, o.rounds, o.seconds))

    parts = commands.add_parser("layers", help="where the time of ONNX networks goes, layer by layer, beside what the machine can do")
    parts.add_argument("networks", nargs="+", help="FILE.onnx, or FILE.onnx=255 if it reads 0..255")
    parts.add_argument("--runtime", choices=layers.RUNTIMES, default="onnxruntime", help="(default: %(default)s)")
    parts.add_argument("--threads", type=number(int, 1), default=1, help="(default: %(default)s)")
    parts.add_argument("--picture", type=number(int, 1), nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"), help="(default: 1280 720)")
    parts.add_argument("--runs", type=number(int, 1), default=40, help="(default: %(default)s)")
    parts.set_defaults(run_command=lambda o: layers.measure(o.networks, o.runtime, o.threads, o.picture, o.runs))

    bits = commands.add_parser("int8", help="what a network loses and gains in eight bits, on the CPU")
    bits.add_argument("network", type=Path, help="FILE.onnx with its manifest")
    add_photos(bits)
    bits.add_argument("--pictures", type=Path, nargs="+", required=True, help="photographs to compare")
    bits.add_argument("--style-rows", type=int, nargs="+", default=[1], help="(default: %(default)s)")
    bits.add_argument("--method", choices=["Percentile", "Entropy", "MinMax"], default="Percentile", help="how ranges are taken (default: %(default)s)")
    bits.add_argument("--rounds", type=number(int, 1), default=20, help="(default: %(default)s)")
    bits.add_argument("--to", type=Path, required=True, help="folder for the quantised networks")
    bits.set_defaults(run_command=lambda o: int8.measure(o.network, o.photos, o.pictures, o.style_rows, o.method, o.rounds, o.to))

    gpu = commands.add_parser("card", help="milliseconds a frame of our ONNX networks on an NVIDIA card")
    gpu.add_argument("networks", type=Path, nargs="+", help="FILE.onnx, with the name of one of our networks")
    gpu.set_defaults(run_command=lambda o: card.measure(o.networks))

    edge = commands.add_parser("frame", help="what networks know of edges: a frame around flat grey, and sides that are painted unlike each other")
    edge.add_argument("networks", nargs="+", help="FILE.onnx, or FILE.onnx=255 if it reads 0..255")
    edge.set_defaults(run_command=lambda o: frame.measure(o.networks))

    steady = commands.add_parser("calm", help="how much a painted film moves when the film does not, without and with --steadiness")
    steady.add_argument("program", type=Path, help="impasto")
    steady.add_argument("networks", nargs="+", help="names of networks, or FILE.onnx")
    steady.add_argument("--style", required=True)
    steady.add_argument("--flow", type=Path, required=True, help="folder of Middlebury pairs (frame10.png, frame11.png, *.flo)")
    steady.add_argument("--painting", type=Path, required=True, help="the painting of the style")
    steady.add_argument("--long-side-px", type=int, default=768, help="painting's size (default: %(default)s)")
    steady.add_argument("--vgg", type=Path, required=True, help="VGG16 weights, as for training")
    steady.add_argument("--modes", nargs="+", default=["0", "0.5", "flow"], help="values of --steadiness (default: %(default)s)")
    steady.set_defaults(run_command=run_calm)

    moves = commands.add_parser("flicker", help="how much paintings move when the picture does not, and how much of the network's grid they show")
    moves.add_argument("networks", nargs="+", help="FILE.onnx, or FILE.onnx=255 if it reads 0..255")
    moves.add_argument("--stills", type=Path, nargs="+", required=True, help="pictures")
    moves.add_argument("--flow", type=Path, help="folder of Middlebury pairs (frame10.png, frame11.png, *.flo)")
    moves.add_argument("--style-rows", type=int, nargs="+", default=[1], help="(default: %(default)s)")
    moves.add_argument("--painting", type=Path, help="tell content and style loss too, beside this painting; needs --vgg")
    moves.add_argument("--long-side-px", type=int, default=768, help="painting's size (default: %(default)s)")
    moves.add_argument("--vgg", type=Path, help="VGG16 weights, as for training")
    moves.set_defaults(run_command=run_flicker)

    slow = commands.add_parser("curve", help="loss of networks beside the slow reference's")
    slow.add_argument("table", type=Path, help="CSV of the reference's losses, completed; the plot is written beside it")
    slow.add_argument("networks", nargs="+", help="FILE.onnx of the styles in the checkpoint")
    slow.add_argument("--pictures", type=Path, nargs="+", required=True, help="photographs that were not trained on")
    slow.add_argument("--paintings", type=Path, required=True, help="folder of the paintings")
    slow.add_argument("--style-names", nargs="+", required=True)
    slow.add_argument("--side", type=int, default=256, help="pixels; pictures are cropped to squares (default: %(default)s)")
    add_checkpoint(slow)
    add_vgg(slow)
    add_weights(slow)
    slow.set_defaults(run_command=run_curve)
    return top


def number(kind: type, least: float) -> Callable[[str], float]:
    """For argparse: a number that is not smaller than `least`."""

    def read(text: str) -> float:
        value = kind(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{text} is too small: at least {least}")
        return value

    read.__name__ = kind.__name__
    return read


def add_photos(command: argparse.ArgumentParser) -> None:
    command.add_argument("--photos", type=Path, required=True, help="folder of photographs to paint on")


def add_styles(command: argparse.ArgumentParser) -> None:
    command.add_argument("--styles", type=Path, default=HERE / "styles.toml", help="list of paintings (default: %(default)s)")


def add_paintings(command: argparse.ArgumentParser) -> None:
    add_styles(command)
    command.add_argument("--paintings", type=Path, required=True, help="folder of the paintings")


def add_vgg(command: argparse.ArgumentParser) -> None:
    command.add_argument("--vgg", type=Path, required=True, help="VGG16 weights: torchvision's .pth or Caffe's .npz")


def add_painting(command: argparse.ArgumentParser) -> None:
    command.add_argument("painting", type=Path)
    command.add_argument("--long-side-px", type=int, default=768, help="painting's size; smaller: finer strokes (default: %(default)s)")
    command.add_argument("--strength", type=float, default=1.0, help="times the style loss (default: %(default)s)")


def add_checkpoint(command: argparse.ArgumentParser) -> None:
    command.add_argument("--checkpoint", type=Path, default=checkpoint.shipped("lite"), help="(default: %(default)s)")


def add_weights(command: argparse.ArgumentParser) -> None:
    for name, value in vars(losses.Weights()).items():
        command.add_argument(f"--{name}-weight", type=float, default=value, help="(default: %(default)s)")
    command.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")


def weights_of(options: argparse.Namespace) -> losses.Weights:
    return losses.Weights(**{name: getattr(options, f"{name}_weight") for name in vars(losses.Weights())})


def run_train(options: argparse.Namespace) -> None:
    same = {name: getattr(options, name) for name in train.Plan.__dataclass_fields__ if name not in ("styles", "weights")}
    train.train(train.Plan(styles=read_styles(options.styles), weights=weights_of(options), **same))


def run_packed(options: argparse.Namespace) -> None:
    same = {name: getattr(options, name) for name in ("pack", "network", "styles", "minutes", "crops_px", "photos_a_step", "rate", "samples")}
    device_run.run(folder=options.run, weights=weights_of(options), **same)


def run_add(options: argparse.Namespace) -> None:
    style = Style(
        options.name, options.title or options.name, options.artist, options.year, options.painting.name,
        options.long_side_px, options.strength, options.licence,
    )
    same = {name: getattr(options, name) for name in ("checkpoint", "photos", "vgg", "minutes", "rate", "seed")}
    add.add(
        add.Plan(style=style, folder=options.painting.parent, to=options.to or options.checkpoint, weights=weights_of(options), **same)
    )


def run_gatys(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    eye = vgg.load(options.vgg)
    photo = to_tensor(gallery.open_scaled(options.photo, options.height))
    target = losses.file_target(eye, options.painting, options.long_side_px)
    judge = gatys.Judge(eye, photo, target, weights_of(options), options.strength)
    for point in gatys.optimise(judge, range(0, options.iterations + 1, 10)):
        print(f"iteration {point.iteration}  content {point.content:.3f}  style {point.style:.3f}  total {point.total:.3f}  {point.seconds:.0f} s", flush=True)
        gallery.save(to_picture(point.painted), options.output)


def run_gallery(options: argparse.Namespace) -> None:
    trained, _ = checkpoint.read(options.checkpoint)
    gallery.write_gallery(trained, options.to, options.photos, options.height)


def run_compare(options: argparse.Namespace) -> None:
    networks = [checkpoint.read(path)[0] for path in options.checkpoints]
    gallery.save(gallery.comparison_sheet(networks, options.photo, options.style_names, options.height), options.output)


def run_calm(options: argparse.Namespace) -> None:
    eye = vgg.load(options.vgg)
    target = losses.file_target(eye, options.painting, options.long_side_px)
    pairs = list(flicker.folders_of(options.flow))
    calm.measure(options.program, options.networks, options.style, pairs, options.modes, eye, target)


def run_flicker(options: argparse.Namespace) -> None:
    pairs = list(flicker.folders_of(options.flow)) if options.flow else []
    eye = target = None
    if options.painting:
        if not options.vgg:
            raise Problem("losses beside a painting are seen through VGG16: name its weights with --vgg")
        eye = vgg.load(options.vgg)
        target = losses.file_target(eye, options.painting, options.long_side_px)
    flicker.measure(options.networks, options.stills, pairs, options.style_rows, eye, target)


def run_curve(options: argparse.Namespace) -> None:
    trained, _ = checkpoint.read(options.checkpoint)
    curve.measure(
        options.networks, trained, options.vgg, options.paintings, options.pictures, options.style_names,
        options.side, weights_of(options), options.table,
    )


if __name__ == "__main__":
    sys.exit(main())
