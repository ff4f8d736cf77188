"""What `impasto file` takes for a long film, beside ffmpeg, which decodes and encodes the same film without painting it.

    python3 benches/long_film.py --binary target/release/impasto

The film pans over the photographs of `models/showcase`, in 1920x1080. Both encode it with x264 at the same quality and
preset, one after the other. Times of a busy machine say little; the ratios of processor time do.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RATE, LOOP_SECONDS = 24, 20
QUALITY = {"crf": "20", "preset": "veryfast"}


def make_film(file, minutes):
    """Twenty seconds of panning with sound, as often as they fit."""
    photos = sorted((PROJECT / "models/showcase").glob("*.*"))
    each = LOOP_SECONDS // len(photos)
    inputs = [word for photo in photos for word in ["-loop", "1", "-t", str(each), "-r", str(RATE), "-i", str(photo)]]
    pans = [f"[{number}]scale=2400:1600,crop=1920:1080:x='t*90':y='t*80',setsar=1,format=yuv420p[p{number}]"
            for number in range(len(photos))]
    joined = "".join(f"[p{number}]" for number in range(len(photos))) + f"concat=n={len(photos)}[v]"
    loop = file.with_name("loop.mp4")
    ffmpeg(*inputs, "-f", "lavfi", "-i", f"sine=d={LOOP_SECONDS}", "-filter_complex", ";".join([*pans, joined]),
           "-map", "[v]", "-map", f"{len(photos)}:a", "-c:v", "libx264", "-crf", "18", "-preset", "fast", "-c:a", "aac", loop)
    ffmpeg("-stream_loop", minutes * 60 // LOOP_SECONDS - 1, "-i", loop, "-c", "copy", file)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


def measured(command):
    """Seconds, seconds of all processors, and the most memory in MB."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([str(word) for word in command], stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            said.seek(0)
            raise SystemExit(f"{command[0]} failed: {said.read().decode(errors='replace')[-500:]}")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--minutes", type=int, default=10)
    arguments = parser.parse_args()
    frames = arguments.minutes * 60 * RATE
    with tempfile.TemporaryDirectory(prefix="impasto-film-") as folder:
        folder = Path(folder)
        film = folder / "film.mp4"
        make_film(film, arguments.minutes)
        encode = [word for name, value in QUALITY.items() for word in (f"-{name}", value)]
        chosen = [word for name, value in QUALITY.items() for word in (f"--{name}", value)]
        ways = {
            "ffmpeg": ["ffmpeg", "-v", "error", "-nostdin", "-i", film, "-c:v", "libx264", *encode, "-bf", "0", "-c:a", "copy",
                       folder / "encoded.mp4"],
            "impasto": [arguments.binary, "file", film, folder / "painted.mp4", "--style", "great_wave", *chosen],
        }
        print(f"{frames} frames of 1920x1080")
        for name, command in ways.items():
            seconds, processor, memory = measured(command)
            print(f"{name}: {seconds:.0f} s, {frames / seconds:.1f} frames/s, {1000 * processor / frames:.1f} ms of processor"
                  f" time a frame, at most {memory:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
