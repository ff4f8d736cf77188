"""Runs the daemon through rounds of clients, changes and faults, and tells whether it stays what it was.

`./dev soak [--minutes N]`. Each round does all of it at once, then everybody leaves and a sample is taken: descriptors,
threads, memory, painted frames, the delay of a frame. What grows from round to round is a leak. Needs ffmpeg; the full
disk needs the right to mount one, the camera the kernel of the camera tests (`--guest`); they are left out, told, without.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# The webcam of the camera tests' kernel can be unplugged; the loopback device there is what readers open.
WEBCAM, LOOPBACK = Path("/sys/bus/platform/drivers/vivid"), Path("/dev/video10")
STYLES = ["starry_night", "great_wave", "the_scream", "composition_vii"]

# What later rounds may have more of than the first ones: caches and idle threads of the libraries come and go, and a
# worker that was killed may be waited for at one sample and run at the next. A leak adds hundreds.
MORE_DESCRIPTORS, MORE_THREADS = 16, 16
MORE_MEMORY_MB = 32
WARM_AFTER_ROUNDS = 2

# Only a long run tells a slow leak.
LONG_RUN_ROUNDS, MORE_IN_A_LONG_RUN = 60, 1.1
MOST_LOG_BYTES_PER_MINUTE = 200_000


CAMERA = f"""
[[stream]]
name = "camera"
source.input = "camera"
output.also = [{{ type = "virtual-camera", device = "{LOOPBACK}" }}]
"""


class Failed(Exception):
    """The daemon did what it must not do."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ffmpeg(*arguments):
    return subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", *map(str, arguments)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Daemon:
    """A daemon with three streams: the test picture, a short clip in a loop, and a sender that comes and goes."""

    def __init__(self, binary, folder, log=None):
        self.folder = folder
        self.http, self.rtsp, self.far = free_port(), free_port(), free_port()
        self.clip = folder / "clip.mp4"
        made = ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x180:r=15:d=1", "-f", "lavfi", "-i", "sine=d=1",
                      "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-shortest", self.clip)
        if made.wait() != 0:
            raise SystemExit("soak: ffmpeg cannot make the clip")
        self.config = folder / "impasto.toml"
        self.write_config()
        self.log_path = log or folder / "log.txt"
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            [binary, "run", "--config", self.config, "--http", f"127.0.0.1:{self.http}"],
            stdout=self.log, stderr=self.log, cwd=PROJECT, env={**os.environ, "RUST_BACKTRACE": "1"})

    def write_config(self, extra="", hall=""):
        """Writes as editors do: another file, renamed."""
        text = f"""
[source]
width = 320
height = 180
fps = 15
[runtime]
threads = 1
isolate = true
[control]
recordings = "{self.folder}/recordings"
[output]
rtsp = "127.0.0.1:{self.rtsp}"
[[stream]]
name = "hall"
source.input = "test"
{hall}
[[stream]]
name = "loop"
source = {{ input = "{self.clip}", loop = true }}
output.on_demand = "on"
[[stream]]
name = "far"
source.input = "http://127.0.0.1:{self.far}/far.ts"
{CAMERA if WEBCAM.exists() else ""}
{extra}
"""
        new = self.config.with_suffix(".new")
        new.write_text(text)
        new.rename(self.config)

    def ask(self, method, path, body=None, patience=30):
        """An answer as (status, bytes); the daemon always answers."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=data, method=method,
                                         headers={"Content-Type": "application/json"} if data is not None else {})
        try:
            with urllib.request.urlopen(request, timeout=patience) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (OSError, ValueError) as error:
            raise Failed(f"{method} {path}: no answer: {error}") from error

    def state(self, stream):
        status, body = self.ask("GET", f"/api/v1/streams/{stream}")
        return json.loads(body) if status == 200 else None

    def wait_until(self, what, is_true, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise Failed(f"the daemon ended with {self.process.returncode} while waiting: {what}")
            if is_true():
                return
            time.sleep(0.2)
        raise Failed(f"{what}: not within {seconds} s")

    def sample(self):
        """What it holds, the least of some seconds: free memory goes back to the system every ten."""
        proc = Path(f"/proc/{self.process.pid}")

        def held():
            status = (proc / "status").read_text()
            number = lambda key: int(re.search(rf"^{key}:\s+(\d+)", status, re.M).group(1))
            return len(os.listdir(proc / "fd")), number("Threads"), number("VmRSS") / 1024

        seen = []
        for _ in range(22):
            time.sleep(0.5)
            seen.append(held())
        descriptors, threads, memory_mb = map(min, zip(*seen))
        return {"descriptors": descriptors, "threads": threads, "memory_mb": memory_mb,
                "painted": self.painted(), "delays": self.delays()}

    def painted(self):
        status, body = self.ask("GET", "/api/v1/streams")
        return {stream["name"]: stream["counts"]["painted"] for stream in json.loads(body)}

    def delays(self):
        """The histogram of hall's delays, as {bucket in seconds: frames up to it}."""
        text = self.ask("GET", "/metrics")[1].decode()
        found = re.findall(r'impasto_latency_seconds_bucket\{stream="hall",le="([^"]+)"\} (\d+)', text)
        return {float(edge): int(count) for edge, count in found}

    def workers(self):
        """Processes of the daemon that run networks."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]


class Sender:
    """Sends a picture to whoever connects; stopped in the middle, it is a camera whose plug was pulled."""

    def __init__(self, port):
        self.port, self.process = port, None

    def start(self):
        self.stop()
        self.process = ffmpeg("-re", "-f", "lavfi", "-i", "testsrc=s=320x180:r=15", "-c:v", "libx264", "-preset",
                              "ultrafast", "-tune", "zerolatency", "-g", 15, "-f", "mpegts",
                              "-listen", 1, f"http://127.0.0.1:{self.port}/far.ts")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Rtsp:
    """A client that says what it is told to say."""

    def __init__(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.url, self.number, self.session = f"rtsp://127.0.0.1:{port}/{path}", 0, None

    def send(self, method, url=None, headers=()):
        self.number += 1
        lines = [f"{method} {url or self.url} RTSP/1.0", f"CSeq: {self.number}", *headers]
        if self.session:
            lines.append(f"Session: {self.session}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = self.socket.recv(65536).decode("latin1")
        if found := re.search(r"Session: (\w+)", answer):
            self.session = found.group(1)
        return answer

    def play(self):
        self.send("DESCRIBE", headers=["Accept: application/sdp"])
        self.send("SETUP", f"{self.url}/stream=0", ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"])
        self.send("PLAY")


# Each of these does one kind of thing for some seconds. What a client gets wrong is its own affair; what the daemon gets
# wrong is raised as Failed.

def watchers_come_and_go(daemon, done, until):
    while time.monotonic() < until:
        path = random.choice(["hall", "hall?x=1", "loop", "far"])
        transport = random.choice(["tcp", "udp"])
        client = ffmpeg("-rtsp_transport", transport, "-i", f"rtsp://127.0.0.1:{daemon.rtsp}/{path}", "-t",
                        random.randint(1, 3), "-f", "null", "-")
        time.sleep(random.uniform(0.5, 3))
        client.kill()
        client.wait()
        done["watchers"] += 1


def rude_rtsp_clients(daemon, done, until):
    def stalls():
        client = Rtsp(daemon.rtsp, "hall")
        client.play()
        time.sleep(3)  # and reads nothing

    def half_a_request():
        Rtsp(daemon.rtsp, "hall").socket.sendall(b"DESCRIBE rtsp://")

    def setup_alone():
        Rtsp(daemon.rtsp, "hall").send("SETUP", headers=["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"])

    def garbage():
        Rtsp(daemon.rtsp, "x").socket.sendall(random.randbytes(2000) + b"\r\n\r\n")

    def nowhere():
        Rtsp(daemon.rtsp, "nowhere").send("DESCRIBE")

    while time.monotonic() < until:
        try:
            random.choice([stalls, half_a_request, setup_alone, garbage, nowhere])()
        except OSError:
            pass  # it was shown the door
        done["rude RTSP clients"] += 1
        time.sleep(0.2)


def http_clients(daemon, done, until):
    def stalls(path):
        with socket.create_connection(("127.0.0.1", daemon.http), timeout=10) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{daemon.http}\r\n\r\n".encode())
            client.recv(1000)
            time.sleep(1)

    asks = [
        lambda: daemon.ask("GET", "/metrics"),
        lambda: daemon.ask("POST", "/api/v1/streams/hall/snapshot", {}),
        lambda: daemon.ask("PATCH", "/api/v1/streams/hall/look", b'{"strength": 1e999, "styles"'),
        lambda: daemon.ask("GET", "/api/v1/streams/attic"),
        lambda: daemon.ask("POST", "/api/v1/paint?style=starry_night", random.randbytes(50_000)),
        lambda: stalls("/api/v1/streams/hall/preview"),
        lambda: stalls("/api/v1/events"),
    ]
    while time.monotonic() < until:
        ask = random.choice(asks)
        try:
            answer = ask()
        except OSError:
            answer = None
        if answer and answer[0] == 500:
            raise Failed(f"500: {answer[1][:200]!r}")
        done["HTTP requests"] += 1


def looks_change(daemon, done, until):
    while time.monotonic() < until:
        stream = random.choice(["hall", "loop"])
        body = random.choice([
            {"styles": random.choice(STYLES)}, {"strength": random.random()}, {"steadiness": random.random() / 2}, {"stroke": random.random()},
            {"styles": {style: random.random() for style in STYLES[:2]}}, {"keep_colours": random.random() < 0.5},
        ])
        daemon.ask("PATCH", f"/api/v1/streams/{stream}/look", body)
        daemon.ask("PATCH", f"/api/v1/streams/{stream}", {"size": random.choice(["native", "160x90", "auto"])})
        done["look changes"] += 1
        time.sleep(0.3)


def sources_change(daemon, done, until):
    while time.monotonic() < until:
        wanted = random.choice([
            {"source": "test"}, {"source": str(daemon.clip), "loop": False}, {"source": str(daemon.clip)},
            {"source": "missing.mp4"}, {"source": f"tcp://127.0.0.1:{free_port()}"}, {"source": "showcase"},
        ])
        status, body = daemon.ask("POST", "/api/v1/streams/hall/source", wanted, patience=60)
        if status == 200 and "missing" in wanted["source"]:
            raise Failed(f"a file that is not there was taken: {body[:200]!r}")
        done["source changes"] += 1
        time.sleep(0.5)


def recordings(daemon, done, until):
    while time.monotonic() < until:
        ending = random.choice(["mkv", "mp4", "webm"])
        status, body = daemon.ask("POST", "/api/v1/streams/loop/record", {"file": f"{time.time_ns()}.{ending}"})
        time.sleep(random.uniform(0.1, 2))
        ended, told = daemon.ask("POST", "/api/v1/streams/loop/record", {"stop": True})
        if status == 200 and ended == 200:
            file = Path(json.loads(told)["file"])
            counted = subprocess.run(["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-show_entries",
                                      "stream=nb_read_packets", "-of", "csv=p=0", file], capture_output=True, text=True)
            if not counted.stdout.strip().rstrip(",").isdigit():
                raise Failed(f"{file.name} is said to be finished and does not play: {counted.stderr[:200]}")
            file.unlink()
        done["recordings"] += 1


def configs_change(daemon, done, until):
    while time.monotonic() < until:
        random.choice([
            lambda: daemon.write_config(hall=f"paint.strength = {random.random():.2f}"),
            lambda: daemon.write_config(hall=f"output.rtsp_kbps = {random.randint(500, 4000)}"),
            lambda: daemon.write_config(hall=f'output.record = "{daemon.folder}/hall.mkv"'),
            lambda: daemon.write_config(extra='[[stream]]\nname = "attic"\nsource.input = "test"'),
            lambda: daemon.write_config(hall="paint.strenght = 1"),
            lambda: daemon.config.write_text("[[stream"),
        ])()
        done["config edits"] += 1
        time.sleep(1.5)


def the_sender_goes_and_comes(daemon, done, until):
    while time.monotonic() < until:
        time.sleep(2)
        daemon.sender.stop()
        time.sleep(1)
        daemon.sender.start()
        done["lost sources"] += 1


def the_disk_is_full(daemon, done, until):
    folder = daemon.folder / "recordings" / "full"
    if not daemon.has_full_disk:
        return
    daemon.ask("POST", "/api/v1/streams/hall/record", {"file": "full/full.mkv"})
    time.sleep(max(0.0, until - time.monotonic() - 2))
    daemon.ask("POST", "/api/v1/streams/hall/record", {"stop": True})
    for left in folder.iterdir():
        left.unlink()
    done["full disks"] += 1


def cameras_come_and_go(daemon, done, until):
    """Readers of the virtual camera wake the webcam, which goes to sleep after them, and is unplugged now and then."""
    while WEBCAM.exists() and time.monotonic() < until:
        reader = subprocess.Popen(["v4l2-ctl", "-d", LOOPBACK, "--stream-mmap", "--stream-count=100000"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.5, 4))
        if random.random() < 0.3:
            (WEBCAM / "unbind").write_text("vivid.0")
            time.sleep(1)
            (WEBCAM / "bind").write_text("vivid.0")
            done["webcams unplugged"] += 1
        reader.kill()
        reader.wait()
        time.sleep(random.uniform(0, 8))
        done["camera readers"] += 1


def workers_are_killed(daemon, done, until):
    while time.monotonic() < until:
        time.sleep(3)
        for worker in daemon.workers():
            try:
                os.kill(worker, signal.SIGKILL)
                done["workers killed"] += 1
            except ProcessLookupError:
                pass  # another look has just ended it


FAULTS = [watchers_come_and_go, watchers_come_and_go, rude_rtsp_clients, http_clients, looks_change, sources_change,
          recordings, configs_change, the_sender_goes_and_comes, the_disk_is_full, cameras_come_and_go,
          workers_are_killed]


def play_round(daemon, done, seconds, only):
    failures, until = [], time.monotonic() + seconds

    def run(fault):
        try:
            fault(daemon, done, until)
        except Exception as error:  # told at the end of the round, whatever it is
            failures.append(f"{fault.__name__}: {error}")

    faults = [fault for fault in FAULTS if not only or fault.__name__ in only.split(",")]
    threads = [threading.Thread(target=run, args=[fault]) for fault in faults]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def calm_down(daemon):
    """Everybody leaves, and all is as it was at the start."""
    daemon.write_config()
    daemon.sender.start()

    def is_as_before():
        if daemon.state("attic"):
            return False
        for name in ["hall", "loop", "far"] + ["camera"] * WEBCAM.exists():
            state = daemon.state(name)
            if not state or state["status"] != "running" or state["recording"]:
                return False
            if any(output["clients"] for output in state["outputs"]):
                return False
        return True

    for stream in ["hall", "loop"]:
        daemon.ask("PATCH", f"/api/v1/streams/{stream}/look", {"styles": STYLES[0], "strength": 1.0, "steadiness": 0.0})
        daemon.ask("PATCH", f"/api/v1/streams/{stream}", {"size": "native"})
        daemon.ask("POST", f"/api/v1/streams/{stream}/record", {"stop": True})
    daemon.ask("POST", "/api/v1/streams/hall/source", {"source": "test"})
    # A client over UDP that went without a word is known to be gone after a minute.
    daemon.wait_until("all clients are gone and all streams run", is_as_before, 120)


def quantile(before, after, part):
    """The upper edge of the bucket that holds this part of the frames between two samples, in milliseconds."""
    counts = {edge: after[edge] - before.get(edge, 0) for edge in after}
    total = max(counts.values(), default=0)
    edges = [edge for edge, count in sorted(counts.items()) if count >= total * part]
    return edges[0] * 1000 if total and edges else float("nan")


def judge(daemon, samples, minutes):
    """What grew, in words."""
    wrong = []
    first, last = samples[min(WARM_AFTER_ROUNDS, len(samples) - 1)], samples[-1]
    log = daemon.log_path.read_bytes()
    for what, more in [("descriptors", MORE_DESCRIPTORS), ("threads", MORE_THREADS)]:
        if last[what] > first[what] + more:
            wrong.append(f"{what} grew from {first[what]} to {last[what]}")
    if last["memory_mb"] > first["memory_mb"] + MORE_MEMORY_MB:
        wrong.append(f"memory grew from {first['memory_mb']:.0f} to {last['memory_mb']:.0f} MB")
    if len(samples) >= LONG_RUN_ROUNDS:
        third = len(samples) // 3
        middle, end = (statistics.median(sample["memory_mb"] for sample in part)
                       for part in (samples[third:2 * third], samples[2 * third:]))
        if end > middle * MORE_IN_A_LONG_RUN:
            wrong.append(f"memory grew from {middle:.0f} MB in the middle third to {end:.0f} MB in the last")
    if b"panicked" in log:
        wrong.append("a thread panicked")
    if b"assertion" in log:
        wrong.append("a library was used wrongly (its assertion is in the log)")
    if len(log) > MOST_LOG_BYTES_PER_MINUTE * max(minutes, 1):
        wrong.append(f"{len(log)} bytes were logged in {minutes:.0f} minutes")
    return wrong


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--round-seconds", type=float, default=15)
    parser.add_argument("--binary", default=PROJECT / "target/release/impasto")
    parser.add_argument("--log", metavar="FILE", type=Path, help="keep what the daemon logs")
    parser.add_argument("--only", metavar="NAMES", help="these faults alone, to find which of them does harm: "
                        + ",".join(dict.fromkeys(fault.__name__ for fault in FAULTS)))
    parser.add_argument("--guest", action="store_true", help="run in the kernel of the camera tests, with its webcam")
    options = parser.parse_args()
    if options.guest:
        run_in_guest(options)
    # Asked to end, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"soak: {options.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix="impasto-soak-") as folder:
        sys.exit(soak(options, Path(folder)))


def run_in_guest(options):
    """Goes on in the guest, which tells all at its end; as tests/vm/mod.rs finds the kernel."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    places = [cache / "impasto/test-kernel", PROJECT.parent / "shared/vm"]
    places = [Path(os.environ["IMPASTO_TEST_KERNEL"])] if "IMPASTO_TEST_KERNEL" in os.environ else places
    kernels = [place / "linux" if place.is_dir() else place for place in places]
    kernel = next((kernel for kernel in kernels if kernel.is_file()), None)
    if kernel is None:
        sys.exit("soak: no kernel to run it in; tests/vm/build-kernel makes one, IMPASTO_TEST_KERNEL names one")
    seconds = int(options.minutes * 60) + 600
    arguments = [argument for argument in sys.argv[1:] if argument != "--guest"]
    os.chdir(PROJECT)
    program = PROJECT / "tests/vm/run"
    os.execv(program, [program, kernel, str(seconds), "--", sys.executable, __file__, *arguments])


def soak(options, folder):
    full = folder / "recordings" / "full"
    full.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", full], capture_output=True)
    daemon = Daemon(options.binary, folder, options.log)
    daemon.has_full_disk = mounted.returncode == 0
    daemon.sender = Sender(daemon.far)
    daemon.sender.start()
    done, samples, wrong = Counter(), [], []
    begun = time.monotonic()
    try:
        daemon.wait_until("it answers", lambda: is_up(daemon), 120)
        calm_down(daemon)
        samples.append(daemon.sample())
        print(f"{'round':>5} {'minutes':>8} {'descriptors':>12} {'threads':>8} {'memory MB':>10} {'painted':>8} "
              f"{'p50 ms':>7} {'p95 ms':>7}")
        # The table needs a round after those that warm up, whatever the time.
        while len(samples) <= WARM_AFTER_ROUNDS + 1 or time.monotonic() - begun < options.minutes * 60:
            wrong += play_round(daemon, done, options.round_seconds, options.only)
            calm_down(daemon)
            before, now = samples[-1], daemon.sample()
            samples.append(now)
            painted = {name: now["painted"][name] - before["painted"].get(name, 0) for name in now["painted"]}
            if painted.get("hall") == 0:
                wrong.append(f"hall painted nothing in round {len(samples) - 1}")
            delays = [quantile(before["delays"], now["delays"], part) for part in (0.5, 0.95)]
            print(f"{len(samples) - 1:>5} {(time.monotonic() - begun) / 60:>8.1f} {now['descriptors']:>12} "
                  f"{now['threads']:>8} {now['memory_mb']:>10.0f} {painted.get('hall', 0):>8} {delays[0]:>7.0f} "
                  f"{delays[1]:>7.0f}", flush=True)
            if wrong:
                break
        daemon.process.send_signal(signal.SIGTERM)
        code = daemon.process.wait(timeout=60)
        if code != 0:
            wrong.append(f"asked to end, it ended with {code}")
    except (Failed, subprocess.TimeoutExpired) as error:
        wrong.append(str(error))
    finally:
        daemon.process.kill()
        daemon.process.wait()
        daemon.sender.stop()
        if daemon.has_full_disk:
            subprocess.run(["umount", full], check=False)
    print("done: " + ", ".join(f"{count} {what}" for what, count in sorted(done.items())))
    for what, why in [("full disks", "mounting a small disk is not allowed here"), ("workers killed", "there are none"),
                      ("camera readers", "there is no webcam to unplug; --guest has one")]:
        if not done[what]:
            print(f"left out: {what}: {why}")
    wrong += judge(daemon, samples, (time.monotonic() - begun) / 60) if samples else []
    if wrong:
        print("\n".join(["soak: FAILED", *wrong, "--- the end of the log:", *log_end(daemon)]))
        return 1
    print(f"soak: held for {(time.monotonic() - begun) / 60:.1f} minutes")
    return 0


def is_up(daemon):
    try:
        return daemon.ask("GET", "/healthz")[0] == 200
    except Failed:
        return False


def log_end(daemon):
    return daemon.log_path.read_text(errors="replace").splitlines()[-40:]


if __name__ == "__main__":
    main()
