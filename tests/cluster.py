"""Paints a film with `config/cluster` on a one-node Slurm, disturbs it, and tells whether the film is whole.

`./dev test --cluster`. One task of the job array is killed and another is told that its time is over; both must be done
again from where they were, and the joined film must equal the film painted at once. The manifest for Kubernetes is
compared with the schemas of Kubernetes, and its commands are run here as its pods would run them. `--measure` tells what
cutting, joining and a second worker come to instead. Needs munged, slurmctld, slurmd, ffmpeg; no root.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CLUSTER = PROJECT / "config/cluster"
KUBERNETES_VERSIONS = ["1.29", "1.33", "1.37"]
PATIENCE_S = 300
# A film in segments differs from the film at once in how the encoder spends its bits alone: little, at a high quality.
LOOK, SAME_PICTURE_DB = ["--style", "great_wave", "--crf", "4"], 45


class Failed(Exception):
    """The cluster did not do what it must."""


def run(*command, **options):
    """The standard output of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.02)


def make_film(file, seconds, size):
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}", "-f", "lavfi", "-i",
        f"sine=d={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "aac", file)


def picture_times(file):
    return run("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0",
               file).split()


def sound(file):
    return run("ffmpeg", "-v", "error", "-i", file, "-map", "0:a", "-c", "copy", "-f", "md5", "-")


def compare(film, whole):
    """The film painted in segments has the times, the sound and the pictures of the one painted at once."""
    if picture_times(film) != picture_times(whole):
        raise Failed(f"{len(picture_times(film))} pictures, or other times, instead of {len(picture_times(whole))}")
    if sound(film) != sound(whole):
        raise Failed("the sound is not that of the film painted at once")
    psnr = subprocess.run(["ffmpeg", "-i", film, "-i", whole, "-lavfi", "psnr", "-f", "null", "-"],
                          capture_output=True, text=True)
    worst = re.search(r"min:(\S+)", psnr.stderr)
    if worst is None or float(worst[1]) < SAME_PICTURE_DB:
        raise Failed(f"a picture differs from that of the film painted at once: {worst and worst[1]} dB")


class Slurm:
    """One node of two processors, all of it in a folder and run by whoever runs this."""

    def __init__(self, folder):
        self.folder = folder
        # munged wants everybody to reach its socket.
        folder.chmod(0o755)
        for name in ["state", "spool"]:
            (folder / name).mkdir()
        host = socket.gethostname().split(".")[0]
        user = run("id", "-un").strip()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        # A job that is put back waits until its old credentials have run out: two minutes, if nothing else is said.
        (folder / "slurm.conf").write_text(f"""
ClusterName=studio
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=films Nodes=ALL Default=YES MaxTime=INFINITE State=UP
""")
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons = []

    def __enter__(self):
        munge = [f"--{name}={self.folder}/munge.{ending}" for name, ending in
                 [("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed")]]
        self.start("munged", "--foreground", *munge)
        wait_for("munged", (self.folder / "munge.socket").exists)
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D")
        wait_for("an idle node", lambda: "idle" in self.ask("sinfo", "-h", "-o", "%T"))
        return self

    def __exit__(self, *_):
        self.ask("scancel", "--user", str(os.getuid()))
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait()

    def start(self, program, *arguments):
        # Debian puts them where only root looks.
        environment = {**self.environment, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        with open(self.folder / f"{program}.out", "wb") as log:
            self.daemons.append(subprocess.Popen([program, *arguments], stdout=log, stderr=log, env=environment))

    def ask(self, *command):
        return subprocess.run(command, capture_output=True, text=True, env=self.environment).stdout


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def painter_of(segments, segment):
    """The process that paints a segment, once it has painted something."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if words[1:2] == ["file"] and str(segments) in words and segment in words:
            return int(process.name)
    return None


def disturb(segments, number, count, act):
    """Waits until a segment is partly painted, and acts on the process that paints it."""
    packets = segments / f".segment-{number:04}-of-{count:04}.parts/000000.packets"
    wait_for(f"painting of segment {number}", lambda: packets.exists() and packets.stat().st_size > 20_000)
    process = painter_of(segments, f"{number}/{count}")
    if process is None:
        raise Failed(f"segment {number} was painted before it could be disturbed")
    act(process)


def test_slurm(binary, folder, film, whole):
    count, segments, output = 3, folder / "segments", folder / "joined.mp4"
    with Slurm(folder / "slurm") as slurm:
        environment = {**slurm.environment, "IMPASTO": str(binary)}
        told = run(CLUSTER / "submit.sh", film, segments, count, output, *LOOK, env=environment)
        array = re.search(r"\d+", told)[0]
        disturb(segments, 1, count, lambda process: os.kill(process, signal.SIGKILL))
        disturb(segments, 2, count, lambda _: slurm.ask("scancel", "--batch", "--signal=USR1", f"{array}_2"))
        wait_for("the end of all jobs", lambda: not slurm.ask("squeue", "-h", "--user", str(os.getuid())).strip())
    said = "".join(log.read_text() for log in sorted(segments.glob("*.log")))
    if not output.exists():
        raise Failed(f"there is no film; the jobs said:\n{said}")
    for number, code in [(1, 137), (2, 130)]:
        if f"segment {number} ended with code {code}; it is put into the queue again" not in said:
            raise Failed(f"segment {number} was not put into the queue again; the jobs said:\n{said}")
        if not (segments / f"segment-{number:04}-of-{count:04}/000001.packets").exists():
            raise Failed(f"segment {number} began anew instead of going on")
    compare(output, whole)
    print("Slurm: a killed task and one whose time was over went on, and the film equals the one painted at once")


def test_refusal(binary, folder, film):
    """What no second try changes ends at once, and nothing is joined."""
    segments = folder / "refused"
    with Slurm(folder / "slurm-refused") as slurm:
        environment = {**slurm.environment, "IMPASTO": str(binary)}
        run(CLUSTER / "submit.sh", film, segments, 2, folder / "refused.mp4", "--style", "nobody", env=environment)
        wait_for("the end of all jobs", lambda: not slurm.ask("squeue", "-h", "--user", str(os.getuid())).strip())
    said = (segments / "segment-1.log").read_text()
    if "nobody" not in said or "queue again" in said or (folder / "refused.mp4").exists():
        raise Failed(f"a style that is not there is tried again; the job said:\n{said}")
    print("Slurm: a mistake in the settings ends all of it at once")


def test_kubernetes(binary, folder, film, whole):
    import yaml

    manifest = CLUSTER / "kubernetes.yaml"
    for version in KUBERNETES_VERSIONS:
        run("kubernetes-validate", "--strict", "--quiet", "--kubernetes-version", version, manifest)
    settings, paint, join = yaml.safe_load_all(manifest.read_text())
    count = paint["spec"]["completions"]
    if settings["data"]["COUNT"] != str(count):
        raise Failed(f"COUNT is {settings['data']['COUNT']}, and completions {count}")
    programs = folder / "programs"
    programs.mkdir()
    (programs / "impasto").symlink_to(binary)
    output = folder / "pods.mp4"
    places = {"FILM": str(film), "SEGMENTS": str(folder / "pods"), "OUT": str(output)}
    pod = {**os.environ, **settings["data"], **places, "PATH": f"{programs}:{os.environ['PATH']}"}

    def command(job, kind="containers"):
        container = job["spec"]["template"]["spec"][kind][0]
        if container["envFrom"] != [{"configMapRef": {"name": settings["metadata"]["name"]}}]:
            raise Failed(f"{container['name']} of {job['metadata']['name']} does not get the settings")
        return container["command"]

    waiting = subprocess.Popen(command(join, "initContainers"), env=pod)
    for index in range(count):
        if waiting.poll() is not None:
            raise Failed("the joining does not wait for all segments")
        shell, script = command(paint)[:2], command(paint)[2]
        run(*shell, f"{script} {' '.join(LOOK)}", env={**pod, "JOB_COMPLETION_INDEX": str(index)})
    if waiting.wait(PATIENCE_S) != 0:
        raise Failed("the waiting for all segments failed")
    run(*command(join), env=pod)
    compare(output, whole)
    print(f"Kubernetes: the manifest fits the schemas of {', '.join(KUBERNETES_VERSIONS)}, and its pods make the film")


def measure(binary, folder):
    """Cutting and joining against painting at once, and two workers against one; each worker has a core of its own."""
    film, count, rounds = folder / "long.mp4", 4, 3
    make_film(film, 60, "1280x720")

    def work(core, *commands):
        """A worker in a process of its own: its commands one after the other, on one core."""
        child = os.fork()
        if child == 0:
            os.sched_setaffinity(0, {core})
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            os._exit(any(subprocess.run([str(word) for word in command], **silent).returncode for command in commands))
        return child

    def finish(*workers):
        """The processor seconds that they took."""
        used = 0
        for worker in workers:
            _, status, usage = os.wait4(worker, 0)
            if status != 0:
                raise Failed("a worker failed")
            used += usage.ru_utime + usage.ru_stime
        return used

    def timed(steps):
        """Wall time and processor time, in seconds."""
        begin = time.monotonic()
        used = sum(finish(*step()) for step in steps)
        return time.monotonic() - begin, used

    paint = [binary, "file", film]
    settings = ["--style", "great_wave", "--threads", "1", "--workers", "1", "--overwrite"]
    first, second = sorted(os.sched_getaffinity(0))[:2]

    def segments(name, numbers):
        return [[*paint, folder / name, "--segment", f"{number}/{count}", *settings] for number in numbers]

    def join(name):
        return [binary, "join", folder / name, folder / f"{name}.mp4", "--overwrite"]

    ways = {
        "at once": [lambda: [work(first, [*paint, folder / "whole.mp4", *settings])]],
        "one worker": [lambda: [work(first, *segments("one", range(1, count + 1)), join("one"))]],
        "two workers": [lambda: [work(first, *segments("two", [1, 2])), work(second, *segments("two", [3, 4]))],
                        lambda: [work(first, join("two"))]],
    }
    # What is measured once and remembered, such as which device is fastest, is left out.
    finish(work(first, [*paint, folder / "warm.mp4", "--end", "1", *settings]))
    taken = {name: [] for name in ways}
    for _ in range(rounds):
        for name, steps in ways.items():
            taken[name].append(timed(steps))
            print(f"{name}: {taken[name][-1][0]:.1f} s, {taken[name][-1][1]:.1f} s of processor time", flush=True)

    def median_ratio(one, other, which):
        return statistics.median(a[which] / b[which] for a, b in zip(taken[one], taken[other]))

    print(f"{count} segments and joining against the film at once: {median_ratio('one worker', 'at once', 0):.3f} of the time,"
          f" {median_ratio('one worker', 'at once', 1):.3f} of the processor time")
    print(f"two workers against the film at once: {1 / median_ratio('two workers', 'at once', 0):.2f} times as fast")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    binary = arguments.binary.resolve()
    with tempfile.TemporaryDirectory(prefix="impasto-cluster-") as folder:
        folder = Path(folder)
        if arguments.measure:
            measure(binary, folder)
            return
        for name in ["slurm", "slurm-refused"]:
            (folder / name).mkdir()
        folder.chmod(0o755)
        film, whole = folder / "a film.mp4", folder / "whole.mp4"
        make_film(film, 48, "320x180")
        run(binary, "file", film, whole, *LOOK)
        test_kubernetes(binary, folder, film, whole)
        test_slurm(binary, folder, film, whole)
        test_refusal(binary, folder, film)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        raise SystemExit(f"cluster: {failure}")
