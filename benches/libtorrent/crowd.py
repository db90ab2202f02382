"""A thousand peers on a seed, of libtorrent and of ours in one run: `python3 crowd.py SEED_PROGRAM`.

SEED_PROGRAM is the built example `seed`. For each of both:

- a burst: 500 connections within about 10 ms, and how many of them are answered;
- 1,000 peers, interested and with nothing to say: resident memory for each, and processor time at rest;
- 30 such peers on a fresh seed, and the time until one that asks for blocks is unchoked.

All peers are plain sockets of this process.
"""

import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

BURST, CROWD, IDLE = 500, 1000, 30
LENGTH = 64 << 20
HANDSHAKE = b"\x13BitTorrent protocol" + bytes(8)
INTERESTED = struct.pack(">IB", 1, 2)


def serve(folder: str) -> None:
    """libtorrent as a seed, in a process of its own, until its input ends."""
    import libtorrent as lt

    session = lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": True,
            "connections_limit": 4 * CROWD,
            # Its default of five drops bursts in the kernel.
            "listen_queue_size": CROWD,
        }
    )
    # Peers on the local network are above its limits by default; here all are.
    nobody = lt.ip_filter()
    nobody.add_rule("0.0.0.0", "255.255.255.255", 0)
    session.set_peer_class_filter(nobody)
    params = lt.add_torrent_params()
    params.ti, params.save_path = lt.torrent_info(os.path.join(folder, "content.torrent")), folder
    params.flags = lt.torrent_flags.seed_mode | lt.torrent_flags.default_flags & ~lt.torrent_flags.auto_managed
    params.flags &= ~lt.torrent_flags.paused
    handle = session.add_torrent(params)
    handle.set_max_connections(4 * CROWD)
    while not handle.status().is_seeding:
        time.sleep(0.05)
    print(session.listen_port(), flush=True)
    sys.stdin.read()


def start(command: list[str]) -> tuple[subprocess.Popen, int]:
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        said = json.loads(line)
        if isinstance(said, int):
            return child, said
        if said["event"] == "listening":
            return child, int(said["addr"].rsplit(":", 1)[1])
    sys.exit(f"{command[0]} has ended")


class Peer:
    """A connection that has sent a handshake and `interested`."""

    def __init__(self, port: int, info_hash: bytes, number: int) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.hello = HANDSHAKE + info_hash + b"-XX0000-%012d" % number + INTERESTED
        self.received = b""
        self.is_open = True
        self.socket.connect_ex(("127.0.0.1", port))

    def send_hello(self) -> None:
        try:
            self.socket.send(self.hello)
        except OSError:
            self.is_open = False

    def receive(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
            self.is_open = bool(data)
            self.received += data
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False

    def is_greeted(self) -> bool:
        return len(self.received) >= 68

    def messages(self) -> list[int]:
        ids, rest = [], self.received[68:]
        while len(rest) >= 4 and len(rest) >= 4 + (length := struct.unpack(">I", rest[:4])[0]):
            if length:
                ids.append(rest[4])
            rest = rest[4 + length :]
        return ids


def connect(port: int, info_hash: bytes, first: int, count: int) -> tuple[list[Peer], float]:
    """Connects at once, then says hello as each is ready. Returns the time of the connects."""
    begun = time.perf_counter()
    peers = [Peer(port, info_hash, first + number) for number in range(count)]
    took = time.perf_counter() - begun
    poll = select.poll()
    by_fd = {peer.socket.fileno(): peer for peer in peers}
    for fd in by_fd:
        poll.register(fd, select.POLLOUT)
    deadline = time.time() + 30
    waiting = set(by_fd)
    while waiting and time.time() < deadline:
        for fd, event in poll.poll(1000):
            if fd in waiting:
                waiting.discard(fd)
                by_fd[fd].send_hello()
                poll.modify(fd, select.POLLIN)
    return peers, took


def drain(peers: list[Peer], seconds: float) -> None:
    poll = select.poll()
    by_fd = {peer.socket.fileno(): peer for peer in peers if peer.is_open}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    deadline = time.time() + seconds
    while (left := deadline - time.time()) > 0:
        for fd, _ in poll.poll(left * 1000):
            by_fd[fd].receive()
            if not by_fd[fd].is_open:
                poll.unregister(fd)


def resident(pid: int) -> int:
    return int(open(f"/proc/{pid}/statm").read().split()[1]) * 4096


def busy(pid: int) -> float:
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def crowd(command: list[str], info_hash: bytes) -> str:
    child, port = start(command)
    time.sleep(2)
    before = resident(child.pid)
    peers, took = connect(port, info_hash, 0, BURST)
    drain(peers, 3)
    let_in = sum(peer.is_greeted() and peer.is_open for peer in peers)
    rest, _ = connect(port, info_hash, BURST, CROWD - BURST)
    peers += rest
    drain(peers, 5)
    there = sum(peer.is_greeted() and peer.is_open for peer in peers)
    each = (resident(child.pid) - before) // max(there, 1)
    work = busy(child.pid)
    drain(peers, 10)
    work = (busy(child.pid) - work) * 1000
    child.kill()
    child.wait()
    for peer in peers:
        peer.socket.close()
    return (
        f"{let_in} of {BURST} in a burst of {took * 1000:.0f} ms, {there} of {CROWD} in all, {each} resident bytes "
        f"for each, {work:.0f} ms of processor time in 10 s at rest"
    )


def wait_for_slot(command: list[str], info_hash: bytes) -> str:
    child, port = start(command)
    idle, _ = connect(port, info_hash, 0, IDLE)
    drain(idle, 15)
    taken = sum(1 in peer.messages() for peer in idle)
    [honest], _ = connect(port, info_hash, IDLE, 1)
    begun = time.time()
    # It asks as soon as it may, and is served.
    while 1 not in honest.messages() and honest.is_open and time.time() - begun < 180:
        drain([honest, *idle], 0.1)
    waited = time.time() - begun
    child.kill()
    child.wait()
    for peer in [honest, *idle]:
        peer.socket.close()
    return f"{taken} idle peers had a slot; one that came then was unchoked after {waited:.1f} s"


def main(program: str) -> None:
    import libtorrent as lt

    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "content"), "wb") as file:
            for _ in range(LENGTH >> 20):
                file.write(os.urandom(1 << 20))
        storage = lt.file_storage()
        lt.add_files(storage, os.path.join(folder, "content"))
        torrent = lt.create_torrent(storage, piece_size=256 << 10, flags=lt.create_torrent.v1_only)
        lt.set_piece_hashes(torrent, folder)
        path = os.path.join(folder, "content.torrent")
        with open(path, "wb") as file:
            file.write(lt.bencode(torrent.generate()))
        info_hash = lt.torrent_info(path).info_hashes().v1.to_bytes()
        ours = [program, path, folder, "--listen", "127.0.0.1:0", "--max-peers", str(CROWD), "--no-verify", "--json"]
        theirs = [sys.executable, __file__, "--serve", folder]
        for what, command in [("ours", ours), ("libtorrent", theirs)]:
            print(f"{what}: {crowd(command, info_hash)}")
            print(f"{what}: {wait_for_slot(command, info_hash)}", flush=True)


if sys.argv[1] == "--serve":
    serve(sys.argv[2])
else:
    main(sys.argv[1])
