"""Clients that know each other through the DHT alone, in a network namespace of their own.

    dht_network.py DHT MAGNET TORRENT SEED_DIR FOLDER

transmission and aria2 leave out nodes and peers of 127.0.0.0/8, so that all of 10.0.0.0/8 is put on the loopback
device of the namespace, which has no other. Nodes of the program DHT are the network. libtorrent seeds TORRENT from
SEED_DIR and announces itself; transmission and aria2 are given MAGNET and one node or a few of the network, and
download into folders of their own below FOLDER. A line says what has come of each. It ends with its standard input.
"""

import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import libtorrent as lt

NODES = 12
RPC = "http://127.0.0.1:9091/transmission/rpc"


def open_network():
    """Loopback with 10.0.0.1/8: the kernel takes a whole network on this device for its own."""
    up, set_address, set_mask = 0x8914, 0x8916, 0x891C
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, up, struct.pack("16sh22x", b"lo", 1))
        for request, value in [(set_address, "10.0.0.1"), (set_mask, "255.0.0.0")]:
            address = struct.pack("16sH2x4s16x", b"lo:1", socket.AF_INET, socket.inet_aton(value))
            fcntl.ioctl(control, request, address)


def say(*words):
    print(*words, flush=True)


class World:
    def __init__(self, dht, magnet, torrent, seed_dir, folder):
        self.dht, self.magnet, self.torrent, self.seed_dir = dht, magnet, torrent, seed_dir
        self.folder = pathlib.Path(folder)
        self.hash = str(lt.parse_magnet_uri(magnet).info_hashes.v1)

    def start(self, name, words):
        """A program that ends with this one, and whose output is kept."""
        with open(self.folder / f"{name}.log", "wb") as log:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def nodes(self):
        for n in range(NODES):
            # Nobody is at 10.9.9.9, and the first has to begin with somebody.
            entry = "10.0.0.1:6881" if n else "10.9.9.9:9"
            self.start(f"node{n}", [self.dht, "node", "--listen", f"10.0.{n}.1:6881", "--node", entry])

    def peers(self, address, node):
        """The peers of the torrent that our program finds through one node."""
        words = [self.dht, "peers", self.hash, "--node", node, "--listen", f"{address}:0", "--timeout", "10"]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout.split()

    def seed(self):
        settings = {
            "listen_interfaces": "10.1.0.1:7000",
            "outgoing_interfaces": "10.1.0.1",
            "dht_bootstrap_nodes": "10.0.0.1:6881",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
        }
        session = lt.session(settings)
        params = lt.add_torrent_params()
        params.ti, params.save_path = lt.torrent_info(self.torrent), self.seed_dir
        params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
        torrent = session.add_torrent(params)
        while "10.1.0.1:7000" not in self.peers("10.2.0.1", "10.0.0.1:6881"):
            torrent.force_dht_announce()
            time.sleep(0.5)
        say("announced")
        return session

    def aria2(self):
        into = self.folder / "aria2"
        options = (
            f"--no-conf --dir={into} --interface=10.3.0.1 --disable-ipv6=true --enable-dht6=false --enable-dht=true "
            f"--dht-listen-port=6990 --dht-entry-point=10.0.0.1:6881 --dht-file-path={self.folder}/aria2.dat "
            "--listen-port=6991 --bt-enable-lpd=false --file-allocation=none --seed-ratio=0.0 --summary-interval=0"
        )
        self.start("aria2", ["aria2c", *options.split(), self.magnet])
        # It keeps a file beside what is not complete.
        while not any(into.glob("*")) or any(into.glob("*.aria2")):
            time.sleep(0.1)
        say("aria2")

    def transmission(self):
        into, config = self.folder / "transmission", self.folder / "transmission-config"
        config.mkdir()
        settings = {
            "bind-address-ipv4": "10.4.0.1",
            "peer-port": 6995,
            "dht-enabled": True,
            "lpd-enabled": False,
            "utp-enabled": False,
            "port-forwarding-enabled": False,
            "download-dir": str(into),
            "rpc-whitelist-enabled": False,
        }
        (config / "settings.json").write_text(json.dumps(settings))
        # It pauses for some seconds after each of these, and uses what more than eight nodes have said.
        (config / "dht.bootstrap").write_text("".join(f"10.0.{n}.1 6881\n" for n in range(NODES)))
        daemon = self.start("transmission", ["transmission-daemon", "-f", "-g", str(config), "--log-debug"])
        while True:
            try:
                call("torrent-add", filename=self.magnet)
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        while [one["percentDone"] for one in call("torrent-get", fields=["percentDone"])["torrents"]] != [1]:
            time.sleep(0.2)
        # Peers through it, as long as it is there; then it writes what it has.
        found = self.peers("10.2.0.3", "10.4.0.1:6995")
        call("session-close")
        daemon.wait()
        say("transmission", *found)


def call(method, **arguments):
    body, session = json.dumps({"method": method, "arguments": arguments}).encode(), ""
    while True:
        request = urllib.request.Request(RPC, body, {"X-Transmission-Session-Id": session})
        try:
            return json.load(urllib.request.urlopen(request))["arguments"]
        except urllib.error.HTTPError as error:
            # The first answer is refused, and has the word for all others.
            session = error.headers["X-Transmission-Session-Id"]


def main():
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    open_network()
    world = World(*sys.argv[1:])
    world.nodes()
    session = world.seed()
    clients = [threading.Thread(target=client) for client in [world.aria2, world.transmission]]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    say("through-aria2", *world.peers("10.2.0.2", "10.3.0.1:6990"))
    say("END")
    del session
    os._exit(0)


main()
