"""What `tinytorrent-client/tests/scale.rs` measures, with libtorrent: `python3 idle.py FOLDER`.

FOLDER is where that test has left its torrents and contents. Resume data is written below it, and read again.
"""

import os
import sys
import time

import libtorrent as lt

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "active_seeds": -1,
    "active_downloads": -1,
    "active_limit": -1,
    "active_checking": 64,
    "alert_queue_size": 1 << 20,
    "alert_mask": lt.alert.category_t.error_notification,
}


def resident() -> int:
    return int(open("/proc/self/statm").read().split()[1]) * 4096


def save(session: lt.session, folder: str) -> None:
    """Writes the resume data of all torrents."""
    os.makedirs(folder, exist_ok=True)
    handles = session.get_torrents()
    for handle in handles:
        handle.save_resume_data(lt.torrent_handle.save_info_dict)
    left = len(handles)
    while left:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.save_resume_data_alert):
                with open(os.path.join(folder, f"{left}.resume"), "wb") as file:
                    file.write(lt.write_resume_data_buf(alert.params))
                left -= 1
            elif isinstance(alert, lt.save_resume_data_failed_alert):
                sys.exit(alert.message())


def run(what: str, params: list, count: int, then=lambda session: None) -> None:
    session = lt.session(SETTINGS)
    before, start = resident(), time.time()
    for make in params:
        param = make()
        param.flags = param.flags & ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
        session.async_add_torrent(param)
    adding = time.time() - start
    while True:
        states = [handle.status(0) for handle in session.get_torrents()]
        if len(states) == count and all(state.is_seeding for state in states):
            break
        time.sleep(0.05)
    ready = time.time() - start
    del states
    time.sleep(1)
    each = (resident() - before) // count
    busy = time.process_time()
    time.sleep(5)
    busy = (time.process_time() - busy) * 1000
    print(
        f"{what}: added in {adding:.2f} s, all seeding after {ready:.2f} s, "
        f"{each} resident bytes for each, {busy:.0f} ms of processor time in 5 s at rest",
        flush=True,
    )
    then(session)
    del session


def main(folder: str) -> None:
    names = sorted(os.listdir(os.path.join(folder, "torrents")))
    infos = [lt.torrent_info(os.path.join(folder, "torrents", name)) for name in names]
    saved = os.path.join(folder, "libtorrent")

    def new(info: lt.torrent_info, flags: int = 0):
        params = lt.add_torrent_params()
        params.ti, params.save_path = info, folder
        params.flags |= flags
        return params

    def read(path: str):
        with open(path, "rb") as file:
            params = lt.read_resume_data(file.read())
        params.save_path = folder
        return params

    count = len(infos)
    # Each in a process of its own: what one leaves in the heap would not be counted for the next.
    for step in [
        lambda: run("checked", [lambda info=info: new(info) for info in infos], count, lambda it: save(it, saved)),
        lambda: run(
            "from resume data",
            [lambda name=name: read(os.path.join(saved, name)) for name in sorted(os.listdir(saved))],
            count,
        ),
        lambda: run(
            "taken for seeds",
            [lambda info=info: new(info, lt.torrent_flags.seed_mode) for info in infos],
            count,
        ),
    ]:
        if (child := os.fork()) == 0:
            step()
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit("a step has failed")


main(sys.argv[1])
