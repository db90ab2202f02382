"""A seeder that speaks the plain protocol of BEP 3 and misbehaves as told.

It serves torrents of v1 and of v2, and hybrids by their v2 half.

    wire_seeder.py --torrent FILE --dir DIR --listen HOST:PORT [--mode MODE] [--after N] [--rate N]
                   [--dial HOST:PORT]

MODE is what it does to the blocks it serves:
    honest   nothing
    corrupt  flips a byte in about a third of the blocks, the same ones each time
    stall    goes silent after N blocks of a connection, and keeps the connection
    vanish   closes the listener and every connection for good after N blocks
    mute     accepts connections and never says a word
    aloof    never unchokes the first peer that it meets
`--rate` is in bytes a second over all connections; without it there is no limit. `--dial` connects
to a peer as well, from the host that it listens on, and tells it the port (BEP 10, `p`).

Prints READY once it listens, INTERESTED when the first peer is, which has read all that it was told
by then, and `served N open M` (bytes of payload, connections) each time another MiB has been sent
and whenever a connection ends. When its standard input closes it ends. Standard library only.
"""

import argparse
import asyncio
import hashlib
import os
import pathlib
import struct
import sys

UNCHOKE, INTERESTED, BITFIELD, REQUEST, PIECE, CANCEL, EXTENDED = 1, 2, 5, 6, 7, 8, 20
PROTOCOL = b"\x13BitTorrent protocol"


def decode(data, at=0):
    """One bencoded value and the offset after it."""
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = decode(data, at)
            items.append(item)
        if kind == b"d":
            return dict(zip(items[::2], items[1::2])), at + 1
        return items, at + 1
    colon = data.index(b":", at)
    length = int(data[at:colon])
    return data[colon + 1 : colon + 1 + length], colon + 1 + length


def info_span(data):
    """The bytes of the info dictionary as they stand in the file."""
    at = 1
    while data[at : at + 1] != b"e":
        key, at = decode(data, at)
        _, end = decode(data, at)
        if key == b"info":
            return data[at:end]
        at = end
    raise ValueError("no info dictionary")


def paths(tree, folder=()):
    """The paths of a file tree (BEP 52), in its order."""
    for name, entry in tree.items():
        if name:
            yield from paths(entry, (*folder, os.fsdecode(name)))
        else:
            yield folder


class Content:
    def __init__(self, torrent, directory):
        span = info_span(pathlib.Path(torrent).read_bytes())
        info, _ = decode(span)
        self.piece_length = info[b"piece length"]
        root = pathlib.Path(directory) / os.fsdecode(info[b"name"])
        if b"file tree" in info:
            self.info_hash = hashlib.sha256(span).digest()[:20]
            folder = root if root.is_dir() else root.parent
            parts = [folder.joinpath(*path) for path in paths(info[b"file tree"])]
            self.data = b"".join(self.padded(part) for part in parts)
        else:
            self.info_hash = hashlib.sha1(span).digest()
            files = info.get(b"files", [{b"path": []}])
            parts = [root.joinpath(*map(os.fsdecode, file[b"path"])) for file in files]
            self.data = b"".join(part.read_bytes() for part in parts)
        self.piece_count = -(-len(self.data) // self.piece_length)

    def padded(self, path):
        """The bytes of a file of v2, and zeros to the border of a piece."""
        data = path.read_bytes()
        return data + bytes(-len(data) % self.piece_length)

    def bitfield(self):
        size = (self.piece_count + 7) // 8
        bits = (1 << self.piece_count) - 1 << size * 8 - self.piece_count
        return bits.to_bytes(size, "big")

    def block(self, index, begin, length):
        start = index * self.piece_length + begin
        return self.data[start : start + length]


class Pace:
    """Lets payload pass at a rate, in the order asked."""

    def __init__(self, rate):
        self.rate = rate
        self.free_at = 0.0

    async def take(self, size):
        if not self.rate:
            return
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now - 0.05) + size / self.rate
        if self.free_at > now:
            await asyncio.sleep(self.free_at - now)


class Seeder:
    def __init__(self, content, options):
        self.content = content
        self.mode, self.after = options.mode, options.after
        self.pace = Pace(options.rate)
        self.served = self.blocks = 0
        self.server = self.first = None
        self.writers = set()

    async def serve(self, reader, writer, port=None):
        self.writers.add(writer)
        self.first = self.first or writer
        try:
            await self.converse(reader, writer, port)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()
            self.tell()

    async def dial(self, peer, host, port):
        address = peer.rpartition(":")
        connecting = asyncio.open_connection(
            address[0].strip("[]"), int(address[2]), local_addr=(host, 0)
        )
        await self.serve(*await connecting, port)

    async def converse(self, reader, writer, port):
        """`port` is what to tell a peer that we dialed."""
        if self.mode == "mute":
            await reader.read()
            return
        reserved = bytes([0, 0, 0, 0, 0, 0x10 if port else 0, 0, 0])
        ours = PROTOCOL + reserved + self.content.info_hash + b"-WS0001-" + os.urandom(12)
        if port:
            writer.write(ours)
        theirs = await reader.readexactly(68)
        if theirs[:20] != PROTOCOL or theirs[28:48] != self.content.info_hash:
            return
        if port:
            handshake = b"d1:mde1:pi%dee" % port
            writer.write(struct.pack(">IBB", 2 + len(handshake), EXTENDED, 0) + handshake)
        else:
            writer.write(ours)
        bits = self.content.bitfield()
        writer.write(struct.pack(">IB", 1 + len(bits), BITFIELD) + bits)
        sent = 0
        while True:
            length = int.from_bytes(await reader.readexactly(4), "big")
            message = await reader.readexactly(length)
            kind = message[0] if message else None
            if kind == INTERESTED:
                is_first = writer is self.first
                if is_first:
                    print("INTERESTED", flush=True)
                if self.mode != "aloof" or not is_first:
                    writer.write(struct.pack(">IB", 1, UNCHOKE))
            elif kind == REQUEST:
                if self.mode == "stall" and sent >= self.after:
                    continue
                if self.mode == "vanish" and self.blocks >= self.after:
                    return self.vanish()
                await self.answer(writer, *struct.unpack(">III", message[1:]))
                sent += 1
            await writer.drain()

    async def answer(self, writer, index, begin, length):
        await self.pace.take(length)
        block = self.content.block(index, begin, length)
        if self.mode == "corrupt" and (index + begin // 16384) % 3 == 0:
            block = bytes([block[0] ^ 0xFF]) + block[1:]
        writer.write(struct.pack(">IBII", 9 + length, PIECE, index, begin) + block)
        before, self.served = self.served, self.served + length
        self.blocks += 1
        if before >> 20 != self.served >> 20:
            self.tell()

    def tell(self):
        print("served", self.served, "open", len(self.writers), flush=True)

    def vanish(self):
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()
        print("VANISHED", flush=True)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--torrent", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--listen", required=True)
    modes = ["honest", "corrupt", "stall", "vanish", "mute", "aloof"]
    parser.add_argument("--mode", choices=modes, default="honest")
    parser.add_argument("--after", type=int, default=0)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--dial")
    return parser.parse_args()


async def main():
    options = arguments()
    seeder = Seeder(Content(options.torrent, options.dir), options)
    host, _, port = options.listen.rpartition(":")
    host, port = host.strip("[]"), int(port)
    seeder.server = await asyncio.start_server(seeder.serve, host, port)
    print("READY", flush=True)
    if options.dial:
        dialed = asyncio.create_task(seeder.dial(options.dial, host, port))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(3)


asyncio.run(main())
