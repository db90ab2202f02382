"""What `tinytorrent-client/tests/scale.rs` measures, with libtorrent: `python3 idle.py FOLDER`.

FOLDER is where that test has left its torrents and contents.
"""

import os
import sys
import time

import libtorrent as lt


def resident() -> int:
    return int(open("/proc/self/statm").read().split()[1]) * 4096


def main(folder: str) -> None:
    names = sorted(os.listdir(os.path.join(folder, "torrents")))
    infos = [lt.torrent_info(os.path.join(folder, "torrents", name)) for name in names]
    settings = {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "active_seeds": -1,
        "active_downloads": -1,
        "active_limit": -1,
        "active_checking": 64,
    }
    for what, flags in [("checked", 0), ("taken for seeds", lt.torrent_flags.seed_mode)]:
        session = lt.session(settings)
        before, start = resident(), time.time()
        for info in infos:
            params = lt.add_torrent_params()
            params.ti, params.save_path = info, folder
            params.flags = (params.flags & ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused) | flags
            session.async_add_torrent(params)
        adding = time.time() - start
        while True:
            states = [handle.status(0) for handle in session.get_torrents()]
            if len(states) == len(infos) and all(state.is_seeding for state in states):
                break
            time.sleep(0.05)
        ready = time.time() - start
        del states
        time.sleep(1)
        each = (resident() - before) // len(infos)
        busy = time.process_time()
        time.sleep(5)
        busy = (time.process_time() - busy) * 1000
        print(
            f"{what}: added in {adding:.2f} s, all seeding after {ready:.2f} s, "
            f"{each} resident bytes for each, {busy:.0f} ms of processor time in 5 s at rest"
        )
        del session


main(sys.argv[1])
