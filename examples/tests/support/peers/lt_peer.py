"""One libtorrent session with one torrent, on loopback.

    lt_peer.py seed|leech --torrent FILE|--magnet URI --dir DIR --listen HOST:PORT
               [--peer HOST:PORT]… [--encryption off|require] [--transport tcp|utp|both]
               [--utp-resends N] [--lsd]

`seed` prints READY when all of the content has been checked and the port listens, and serves
until it is ended. `leech` prints DONE and exits 0 when the content is complete and flushed.
`idle` wants nothing of the content, and stays with its peers, whom it tells of each other.
Whatever could leave loopback (DHT, UPnP, and LSD unless it is asked for) is off. With SIGTERM it closes its connections,
prints CLOSED and exits 0. When its standard input closes it ends, so that it never outlives
whoever started it.
"""

import argparse
import os
import signal
import sys
import threading
import time

import libtorrent as lt


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["seed", "leech", "idle"])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--torrent")
    source.add_argument("--magnet")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--peer", action="append", default=[])
    parser.add_argument("--encryption", choices=["off", "require"], default="off")
    parser.add_argument("--lsd", action="store_true")
    parser.add_argument("--transport", choices=["tcp", "utp", "both"], default="tcp")
    # The default of libtorrent.
    parser.add_argument("--utp-resends", type=int, default=3)
    return parser.parse_args()


def settings(options):
    policy = lt.enc_policy.forced if options.encryption == "require" else lt.enc_policy.disabled
    has_tcp, has_utp = options.transport != "utp", options.transport != "tcp"
    return {
        "alert_mask": lt.alert.category_t.status_notification
        | lt.alert.category_t.storage_notification
        | lt.alert.category_t.tracker_notification
        | lt.alert.category_t.error_notification
        | lt.alert.category_t.peer_notification
        | lt.alert.category_t.connect_notification,
        "listen_interfaces": options.listen,
        "enable_dht": False,
        "enable_lsd": options.lsd,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_tcp": has_tcp,
        "enable_outgoing_tcp": has_tcp,
        "enable_incoming_utp": has_utp,
        "enable_outgoing_utp": has_utp,
        "utp_num_resends": options.utp_resends,
        "in_enc_policy": int(policy),
        "out_enc_policy": int(policy),
        "allow_multiple_connections_per_ip": True,
        "seeding_outgoing_connections": True,
        "close_redundant_connections": options.role == "leech",
        "min_reconnect_time": 1,
        # Tests announce more often than an interval apart.
        "min_announce_interval": 1,
    }


def add(session, options):
    if options.magnet:
        params = lt.parse_magnet_uri(options.magnet)
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(options.torrent)
    params.save_path = options.dir
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if options.role == "idle":
        params.file_priorities = [0] * params.ti.num_files()
    return session.add_torrent(params)


def dial(handle, peers):
    for peer in peers:
        host, _, port = peer.rpartition(":")
        handle.connect_peer((host.strip("[]"), int(port)))


def close(session, handle):
    """Ends as a client does that is told to."""
    session.pause()
    while handle.get_peer_info():
        time.sleep(0.02)
    # The ends of streams over UDP are still to be acknowledged.
    time.sleep(0.2)
    print("CLOSED", flush=True)
    os._exit(0)


def end_with_stdin():
    sys.stdin.read()
    os._exit(3)


def main():
    options = arguments()
    threading.Thread(target=end_with_stdin, daemon=True).start()
    session = lt.session(settings(options))
    handle = add(session, options)
    dial(handle, options.peer)
    signal.signal(signal.SIGTERM, lambda *_: close(session, handle))
    ready = flushing = False
    redial = time.monotonic() + 1
    while True:
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            print(type(alert).__name__, alert.message(), flush=True)
            if isinstance(alert, lt.cache_flushed_alert) and flushing:
                print("DONE", flush=True)
                os._exit(0)
        status = handle.status()
        if options.role == "seed":
            if not ready and status.is_seeding and session.is_listening():
                ready = True
                print("READY", flush=True)
        elif options.role == "leech" and status.is_finished and status.has_metadata and not flushing:
            flushing = True
            handle.flush_cache()
        if options.peer and time.monotonic() > redial and not handle.get_peer_info():
            dial(handle, options.peer)
            redial = time.monotonic() + 1


main()
