"""Two clients behind firewalls, and one that everybody reaches, each in a network namespace of its own.

    firewalled.py DOWNLOAD TORRENT SEED_DIR FOLDER [WORD]…

DOWNLOAD runs three times: behind a firewall as the seed of SEED_DIR, below FOLDER as the relay, which next to nothing
passes through, and behind a firewall as a leech with these words. Seed and leech know the relay alone. This script joins
the hosts. To those behind a firewall it passes on only what comes from an address and port to which they have sent
before. It prints DONE and ends when the leech has all of the content, and ends with its standard input.
"""

import array
import ctypes
import fcntl
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import threading

RELAY, SEED, LEECH = "20.1.0.1", "20.2.0.1", "20.3.0.1"
PORT = 7000
CLONE_NEWNET = 0x4000_0000
TCP, UDP = 6, 17


def open_tunnel(address):
    """A device with this address, through which everything else is reached."""
    up, set_flags, set_address, set_mask = 1, 0x8914, 0x8916, 0x891C
    set_tunnel, without_header = 0x400454CA, 0x1001
    tunnel = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tunnel, set_tunnel, struct.pack("16sH22x", b"wire", without_header))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in [(set_address, address), (set_mask, "255.0.0.0")]:
            what = struct.pack("16sH2x4s16x", b"wire", socket.AF_INET, socket.inet_aton(value))
            fcntl.ioctl(control, request, what)
        for device in [b"lo", b"wire"]:
            fcntl.ioctl(control, set_flags, struct.pack("16sh22x", device, up))
    return tunnel


def start(folder, name, address, words):
    """Starts a program at an address. Returns it, and the end of its network."""
    here, there = socket.socketpair()

    def enter():
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network namespace")
        tunnel = open_tunnel(address)
        there.sendmsg([b"t"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [tunnel]))])

    with open(folder / f"{name}.log", "wb") as log:
        program = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter)
    _, [(_, _, tunnel)], _, _ = here.recvmsg(1, 64)
    return program, struct.unpack("i", tunnel[:4])[0]


class Switch:
    """Passes on packets between hosts."""

    def __init__(self, tunnels, behind_firewalls):
        self.tunnels, self.behind_firewalls = tunnels, behind_firewalls
        self.sent = set()

    def run(self):
        hosts = {tunnel: host for host, tunnel in self.tunnels.items()}
        while True:
            for tunnel in select.select(list(hosts), [], [])[0]:
                packet = os.read(tunnel, 65536)
                to = socket.inet_ntoa(packet[16:20])
                # IPv4 alone: there are addresses of no other family but those of the link.
                if packet[0] >> 4 == 4 and to in self.tunnels and self.passes(packet, to):
                    os.write(self.tunnels[to], packet)

    def passes(self, packet, to):
        header, protocol = (packet[0] & 15) * 4, packet[9]
        if protocol not in (TCP, UDP):
            return True
        sender = packet[12:16] + packet[header : header + 2]
        receiver = packet[16:20] + packet[header + 2 : header + 4]
        self.sent.add((protocol, sender, receiver))
        return to not in self.behind_firewalls or (protocol, receiver, sender) in self.sent


def end_with_stdin():
    sys.stdin.read()
    os._exit(3)


def main():
    download, torrent, seed_dir, folder, *words = sys.argv[1:]
    folder = pathlib.Path(folder)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    known = ["--peer", f"{RELAY}:{PORT}"]
    hosts = {
        "relay": (RELAY, [folder / "relay", "--limit-up", "1", "--limit-down", "1"]),
        "seed": (SEED, [seed_dir, "--seed", "--no-resume", *known]),
        "leech": (LEECH, [folder / "leech", *known, *words]),
    }
    programs, tunnels = {}, {}
    for name, (address, more) in hosts.items():
        command = [download, torrent, "--listen", f"{address}:{PORT}", "--no-dht", "--json", "--output", *more]
        programs[name], tunnels[address] = start(folder, name, address, command)
    threading.Thread(target=Switch(tunnels, {SEED, LEECH}).run, daemon=True).start()
    if programs["leech"].wait() == 0:
        print("DONE", flush=True)
    os._exit(0)


main()
