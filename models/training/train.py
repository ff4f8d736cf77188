"""A training run: many styles share one trunk, for as many minutes as there are, with saves and samples."""

import csv
import math
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from . import checkpoint, gallery, losses, teach, vgg
from .checkpoint import PHOTO, Lesson, Trained
from .data import LARGE, HeldPhotos, Photos, Style, in_both_sizes
from .network import SHAPES, Painter
from .teach import Measured, Teacher

WARM_UP_STEPS = 30
REPORT_STEPS = 20
# A card takes fifty steps a second, and its losses have to fit into what comes back.
LOG_SECONDS = 0.2
SAMPLE_PX = 320
FINAL_RATE = 2e-4
COPY_STEPS = 600
COLUMNS = ["step", "minutes", "style", "content_loss", "style_loss", "forms", "variation", "grid", "seams", "stability", "photo", "rate"]


@dataclass(frozen=True)
class Plan:
    """What the command line asks for; where `steps` are given, they end the run and not the minutes."""

    network: str
    styles: list[Style]
    paintings: Path
    photos: Path
    vgg: Path
    run: Path
    start: Path | None
    minutes: float
    steps: int | None
    crops_px: list[int]
    weights: losses.Weights
    styles_a_step: int
    photos_a_step: int
    rate: float
    seed: int
    threads: int
    save_minutes: float
    samples: list[Path]


def train(plan: Plan) -> None:
    """Starts a run, or goes on with the one in `plan.run`.

    There `state.pt` is the whole state, `<network>.pt` the averaged network, `losses.csv` the losses,
    `samples_<step>.jpg` what the network painted, and `tensorboard/` the same for TensorBoard.
    """
    torch.manual_seed(plan.seed)
    if plan.threads:
        torch.set_num_threads(plan.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    photos = Photos(plan.photos, plan.seed)
    state = plan.run / "state.pt"
    if state.exists():
        trained, progress = checkpoint.read(state, plan.network)
    elif plan.start:
        trained, progress = checkpoint.start(plan.start, plan.network)
    else:
        trained, progress = Trained(plan.network, Painter(SHAPES[plan.network], 1), [Lesson(PHOTO, None)]), None
    if progress:
        # Other photographs than those that the run has begun with.
        photos.random.seed(plan.seed + progress["step"])
    eye = vgg.at_fastest_precision(vgg.load(plan.vgg).to(device))
    print(f"losses are seen in {eye.precision} on {device}", flush=True)
    styles = in_both_sizes(plan.styles)
    targets = {style.name: losses.style_target(eye, style, plan.paintings) for style in styles}
    if not trained.lessons[0].steps:
        copy_first(trained, photos, plan)
    add_rows(trained, styles, targets, eye, photos)
    trained.painter.to(device)
    by_row = {trained.row(name): target for name, target in targets.items()}
    if device == "cuda":
        # Sixteen crops fifty times a second: read from files, they would keep the card waiting.
        photos = HeldPhotos(photos, device)
    teacher = Teacher(
        trained, eye, by_row, photos, plan.weights, plan.styles_a_step, plan.seed, device, plan.crops_px, plan.photos_a_step
    )
    if progress:
        restore(teacher, progress)
    run(plan, teacher)


def copy_first(trained: Trained, photos: Photos, plan: Plan) -> None:
    """Before it paints, the network learns to copy: the way for detail is open from the first painted step.

    The paintings' rows start from the copying one. Without this the forms of the paintings come
    first, and the faces, for which there is no way yet, last.
    """
    teacher = Teacher(trained, None, {}, photos, plan.weights, 0, plan.seed, "cpu", plan.crops_px)
    for step in range(COPY_STEPS):
        error = teacher.copy(rate_at(step / COPY_STEPS, step, plan.rate))
        if teacher.step % (5 * REPORT_STEPS) == 0:
            print(f"copying, step {teacher.step} of {COPY_STEPS}: off by {255 * error**0.5:.1f}/255", flush=True)
    trained.painter.load_state_dict(teacher.average)


def add_rows(trained: Trained, styles: list[Style], targets: dict[str, losses.Target], eye: vgg.Vgg, photos: Photos) -> None:
    """Gives each style that the network does not know yet a row, started from the nearest one it knows.

    The nearest to large strokes is the same painting with small ones.
    """
    lessons = {lesson.name: lesson for lesson in trained.lessons}
    known = [row for row, lesson in enumerate(trained.lessons) if lesson.style]
    pictures = [photos.crop(teach.CROP_PX) for _ in range(2)] if known else []
    for style in styles:
        if style.name in lessons:
            lessons[style.name].style = style
            continue
        if style.name.endswith(LARGE):
            nearest = trained.row(style.name.removesuffix(LARGE))
        elif known:
            nearest = teach.nearest_row(trained, eye, targets[style.name], pictures, known)
        else:
            nearest = trained.row(PHOTO)
        row = trained.painter.rows[nearest].detach()
        trained.painter.rows.append(torch.nn.Parameter(row + 0.02 * torch.randn_like(row)))
        trained.lessons.append(Lesson(style.name, style))


def restore(teacher: Teacher, progress: dict) -> None:
    """Takes up the averages and the optimiser; with new rows the optimiser starts afresh."""
    teacher.step = progress["step"]
    for name, tensor in progress["average"].items():
        teacher.average[name].copy_(tensor)
    if len(teacher.trained.lessons) == sum(name.startswith("rows.") for name in progress["average"]):
        for optimiser, state in zip(teacher.optimisers, progress["optimiser"]):
            optimiser.load_state_dict(state)


def run(plan: Plan, teacher: Teacher) -> None:
    """Until the minutes or the steps are over; Ctrl-C and SIGTERM end it sooner, and nothing is lost."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        learn(plan, teacher)
    except KeyboardInterrupt:
        print(f"stopped at step {teacher.step}", flush=True)
    save(plan, teacher)


def learn(plan: Plan, teacher: Teacher) -> None:
    began = saved = time.monotonic()
    logged = 0.0
    first_step, steps, minutes = teacher.step, 0, 0.0
    board = SummaryWriter(plan.run / "tensorboard", purge_step=first_step)
    while (done := part_done(plan, minutes, steps)) < 1:
        rate = rate_at(done, steps, plan.rate)
        measured = teacher.learn(rate)
        now = time.monotonic()
        steps, minutes = teacher.step - first_step, (now - began) / 60
        if now - logged > LOG_SECONDS:
            log(plan, teacher, measured, minutes, rate)
            logged = now
        if teacher.step % REPORT_STEPS == 0:
            report(teacher, measured, 60 * minutes / steps, minutes / part_done(plan, minutes, steps) - minutes)
            draw(board, teacher, measured, rate)
        if now - saved > plan.save_minutes * 60:
            save(plan, teacher)
            balance(board, teacher)
            saved = now


def part_done(plan: Plan, minutes: float, steps: int) -> float:
    """How much of what was asked for, 0..1; a little more at the end."""
    return steps / plan.steps if plan.steps else minutes / plan.minutes


def rate_at(progress: float, steps: int, highest: float) -> float:
    """Warm-up after every start, then a cosine down to the final rate at the end."""
    cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return (FINAL_RATE + (highest - FINAL_RATE) * cosine) * min(1.0, (steps + 1) / WARM_UP_STEPS)


def log(plan: Plan, teacher: Teacher, measured: Measured, minutes: float, rate: float) -> None:
    path = plan.run / "losses.csv"
    shared = [f"{value:.5f}" for value in (measured.variation, measured.grid, measured.seams, measured.stability, measured.photo, rate)]

    def append(heading: bool) -> None:
        with path.open("a", newline="") as file:
            table = csv.writer(file)
            if heading:
                table.writerow(COLUMNS)
            for row, *losses_of_row in zip(measured.rows, measured.content, measured.style, measured.forms):
                name = teacher.trained.lessons[row].name
                table.writerow([teacher.step, f"{minutes:.2f}", name, *(f"{loss:.4f}" for loss in losses_of_row), *shared])

    checkpoint.guarded(path, lambda: append(heading=not path.exists()))


def report(teacher: Teacher, measured: Measured, seconds_a_step: float, minutes_left: float) -> None:
    lessons = [teacher.trained.lessons[row] for row in teacher.rows]
    content = sum(lesson.content_loss for lesson in lessons) / len(lessons)
    style = sum(lesson.style_loss for lesson in lessons) / len(lessons)
    print(
        f"step {teacher.step}  content {content:.3f}  style {style:.3f}  variation {measured.variation:.4f}  "
        f"grid {measured.grid:.5f}  seams {measured.seams:.3f}  stability {measured.stability:.5f}  photo {255 * measured.photo**0.5:.1f}/255  "
        f"{seconds_a_step:.2f} s a step, {max(0.0, minutes_left):.0f} min left",
        flush=True,
    )


def draw(board: SummaryWriter, teacher: Teacher, measured: Measured, rate: float) -> None:
    for row in teacher.rows:
        lesson = teacher.trained.lessons[row]
        board.add_scalar(f"content/{lesson.name}", lesson.content_loss, teacher.step)
        board.add_scalar(f"style/{lesson.name}", lesson.style_loss, teacher.step)
    for name in ("variation", "grid", "seams", "stability", "photo"):
        board.add_scalar(f"all/{name}", getattr(measured, name), teacher.step)
    board.add_scalar("all/rate", rate, teacher.step)


def balance(board: SummaryWriter, teacher: Teacher) -> None:
    norms = teacher.gradient_norms()
    print(f"step {teacher.step}  pulls: " + "  ".join(f"{name} {norm:.3f}" for name, norm in norms.items()), flush=True)
    for name, norm in norms.items():
        board.add_scalar(f"pull/{name}", norm, teacher.step)


def save(plan: Plan, teacher: Teacher) -> None:
    trained = teacher.trained
    progress = {"step": teacher.step, "average": teacher.average, "optimiser": [optimiser.state_dict() for optimiser in teacher.optimisers]}
    checkpoint.write(plan.run / "state.pt", trained, progress)
    painter = Painter(trained.painter.shape, len(trained.lessons))
    painter.load_state_dict(teacher.average)
    averaged = Trained(trained.network, painter, trained.lessons)
    checkpoint.write(plan.run / f"{trained.network}.pt", averaged)
    if plan.samples:
        gallery.save(gallery.contact_sheet(averaged, plan.samples, SAMPLE_PX), plan.run / f"samples_{teacher.step:06}.jpg")
