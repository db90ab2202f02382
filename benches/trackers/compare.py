#!/usr/bin/env python3
"""UDP trackers side by side, under the load of aquatic_udp_load_test.

Each round starts every tracker anew, one after the other, so that what else the machine does falls
on all of them alike; the ratios are those of one round. Loopback only.

    cargo install aquatic_udp aquatic_udp_load_test --root FOLDER
    apt-get install opentracker
    cargo build --release -p tinytorrent-examples --example track
    benches/trackers/compare.py --aquatic FOLDER/bin
"""

import argparse
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
TICKS = os.sysconf("SC_CLK_TCK")


class Load:
    """The load of all trackers: its torrents are the same in every run."""

    def __init__(self, options):
        self.program = options.aquatic / "aquatic_udp_load_test"
        self.options = options

    def command(self, folder, port, seconds, weights):
        config = folder / "load.toml"
        o = self.options
        config.write_text(
            f'server_address = "{HOST}:{port}"\n'
            f"workers = {o.workers}\n"
            f"duration = {seconds}\n"
            "extra_statistics = false\n"
            "[network]\n"
            f"sockets_per_worker = {o.sockets}\n"
            "recv_buffer = 0\n"
            "[requests]\n"
            f"number_of_torrents = {o.torrents}\n"
            f"number_of_peers = {o.peers}\n"
            f"announce_peers_wanted = {o.wanted}\n"
            f"weight_connect = {weights[0]}\n"
            f"weight_announce = {weights[1]}\n"
            f"weight_scrape = {weights[2]}\n"
        )
        return [self.program, "-c", config]

    def hashes(self, folder):
        """The info-hashes of its announces, as a tracker of listed torrents needs them."""
        found = set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
            sink.bind((HOST, 0))
            sink.settimeout(60)
            command = self.command(folder, sink.getsockname()[1], 3600, (0, 1, 0))
            load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                seen = 0
                # Each peer announces in its turn.
                while seen < self.options.peers * 5 // 4:
                    datagram, address = sink.recvfrom(2048)
                    if len(datagram) < 98:
                        sink.sendto(bytes(4) + datagram[12:16] + b"connects", address)
                        continue
                    seen += 1
                    found.add(datagram[16:36])
                    # Peers: none. The load goes on with an answer only.
                    sink.sendto(bytes((0, 0, 0, 1)) + datagram[12:16] + bytes(12), address)
            finally:
                load.kill()
                load.wait()
        return found


class Tracker:
    """A running tracker, which ends with the block."""

    def __init__(self, command, folder, port):
        self.port = port
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(command, cwd=folder, stdout=self.log, stderr=self.log)

    def __enter__(self):
        connect = bytes.fromhex("0000041727101980 00000000 01020304")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            for _ in range(300):
                client.sendto(connect, (HOST, self.port))
                try:
                    client.recvfrom(64)
                    return self
                except OSError:
                    time.sleep(0.1)
        raise SystemExit(f"no answer: {self.log.name}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def seconds(self):
        """The processor time so far, kernel included."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / TICKS

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def ours(options, folder, port):
    # All of the load comes from one host, which would not be given a large part of a swarm.
    return [
        options.track, "--udp", f"{HOST}:{port}", "--threads", str(options.threads), "--quiet",
        "--max-per-host", "1000000",
    ]


def aquatic(options, folder, port):
    config = folder / "aquatic.toml"
    config.write_text(
        f"socket_workers = {options.threads}\n"
        "[network]\n"
        f'address = "{HOST}:{port}"\n'
    )
    return [options.aquatic / "aquatic_udp", "-c", config]


def opentracker(options, folder, port):
    # Debian builds it for listed torrents only.
    config = folder / "opentracker.conf"
    config.write_text(
        f"listen.tcp_udp {HOST}:{port}\n"
        f"listen.udp.workers {options.threads}\n"
        f"access.whitelist {folder}/hashes\n"
        "tracker.user nobody\n"
    )
    hashes = folder / "hashes"
    hashes.write_bytes(b"".join(known.hex().encode() + b"\n" for known in options.hashes))
    hashes.chmod(0o644)
    folder.chmod(0o755)
    return ["opentracker", "-f", config]


TRACKERS = {"tinytorrent": ours, "aquatic_udp": aquatic, "opentracker": opentracker}


def measure(name, options, load):
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((HOST, 0))
            port = free.getsockname()[1]
        with Tracker(TRACKERS[name](options, folder, port), folder, port) as tracker:
            command = load.command(folder, port, options.seconds, options.weights)
            running = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            said, before = [], None
            for line in running.stdout:
                said.append(line)
                # The first report comes after five seconds, when most peers are known.
                if line.startswith("Responses in") and before is None:
                    before, begun = tracker.seconds(), time.monotonic()
                if line.startswith("# aquatic"):
                    spent, took = tracker.seconds() - before, time.monotonic() - begun
            running.wait()
            memory = tracker.memory()
    text = "".join(said)
    numbers = lambda words: [float(n) for n in re.findall(words + r":\s+([0-9.]+)", text)]
    every = numbers("Responses in")[1:]
    announces = numbers("Announce responses")[1:-1]
    responses = statistics.mean(every) * took
    return {
        "announces": statistics.mean(announces),
        "responses": statistics.mean(every),
        "errors": sum(numbers("Error responses")[:-1]),
        "peers": statistics.mean(numbers("Peers per announce response")[1:]),
        "micros": spent / responses * 1e6,
        "memory": memory,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aquatic", type=pathlib.Path, required=True, help="folder of its programs")
    parser.add_argument("--track", type=pathlib.Path, default=ROOT / "target/release/examples/track")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2, help="of each tracker")
    parser.add_argument("--workers", type=int, default=1, help="of the load")
    parser.add_argument("--sockets", type=int, default=4, help="of each worker")
    parser.add_argument("--torrents", type=int, default=1_000_000)
    parser.add_argument("--peers", type=int, default=2_000_000)
    parser.add_argument("--wanted", type=int, default=30)
    parser.add_argument("--weights", type=int, nargs=3, default=(1, 50, 1))
    parser.add_argument("trackers", nargs="*", default=list(TRACKERS))
    options = parser.parse_args()
    options.track, options.aquatic = options.track.resolve(), options.aquatic.resolve()
    load = Load(options)
    if "opentracker" in options.trackers:
        with tempfile.TemporaryDirectory() as place:
            options.hashes = load.hashes(pathlib.Path(place))
        print(f"{len(options.hashes)} torrents are listed for opentracker")
    found = {name: [] for name in options.trackers}
    for number in range(options.rounds):
        for name in options.trackers:
            result = measure(name, options, load)
            found[name].append(result)
            print(number + 1, name, *(f"{key} {value:.2f}" for key, value in result.items()), flush=True)
    first = options.trackers[0]
    for name in options.trackers:
        row = [f"{key} {statistics.median(r[key] for r in found[name]):.2f}" for key in found[name][0]]
        for key in ("announces", "micros"):
            ratios = [a[key] / b[key] for a, b in zip(found[first], found[name])]
            row.append(f"{first}/{name} {key} {statistics.median(ratios):.2f}"
                       f" ({min(ratios):.2f} to {max(ratios):.2f})")
        print(name, *row, sep="\n    ")


if __name__ == "__main__":
    sys.exit(main())
