"""Nodes of libtorrent on loopback, told by lines what to do: nodes.py COUNT HOST ROUTER_PORT

Each command has one line as its answer. The first node puts, announces and asks. A salt is "-" and its digits.
"""

import hashlib
import sys
import time

import libtorrent as lt

SETTINGS = {
    "alert_mask": lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification,
    "enable_dht": True,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_tcp": False,
    "enable_outgoing_utp": False,
    # All nodes have the same address here.
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_enforce_node_id": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_upload_rate_limit": 100_000_000,
    "dht_block_ratelimit": 1_000_000,
    "aio_threads": 1,
}


def main() -> None:
    count, host, router = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    boot = {"dht_bootstrap_nodes": f"{host}:{router}", "listen_interfaces": f"{host}:0"}
    sessions = [lt.session({**SETTINGS, **boot}) for _ in range(count)]
    first = sessions[0]
    while not all(session.is_dht_running() for session in sessions):
        time.sleep(0.05)
    print("ports", *(session.listen_port() for session in sessions), flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        print(*COMMANDS[command](first, *words), flush=True)


def announce(session, info_hash):
    """A torrent without metadata, which is announced with the port of the session."""
    params = lt.parse_magnet_uri(f"magnet:?xt=urn:btih:{info_hash}")
    params.save_path = "/tmp"
    session.add_torrent(params).force_dht_announce()
    return ["announced"]


def peers(session, info_hash):
    session.dht_get_peers(lt.sha1_hash(bytes.fromhex(info_hash)))
    return wait(session, lt.dht_get_peers_reply_alert, lambda alert: [f"{ip}|{port}" for ip, port in alert.peers()])


def put(session, text):
    target = session.dht_put_immutable_item(text)
    return ["target", str(target), *wait(session, lt.dht_put_alert, lambda alert: [str(alert.num_success)])]


def put_mutable(session, seed, public, salt, text):
    """Signs with what libtorrent takes for a private key: the hash of the seed, with some bits set."""
    key = bytearray(hashlib.sha512(bytes.fromhex(seed)).digest())
    key[0] &= 248
    key[31] = key[31] & 63 | 64
    session.dht_put_mutable_item(bytes(key), bytes.fromhex(public), text.encode(), bytes.fromhex(salt[1:]))
    return wait(session, lt.dht_put_alert, lambda alert: [str(alert.num_success)] if alert.num_success else [])


def sample(session, host, port, target):
    """The samples of one node, each a word."""
    session.dht_sample_infohashes((host, int(port)), lt.sha1_hash(bytes.fromhex(target)))
    return wait(session, lt.dht_sample_infohashes_alert, lambda alert: [str(alert.num_samples), *map(str, alert.samples)])


def get(session, target):
    session.dht_get_immutable_item(lt.sha1_hash(bytes.fromhex(target)))
    return wait(session, lt.dht_immutable_item_alert, lambda alert: [text(alert.item)])


def get_mutable(session, key, salt):
    session.dht_get_mutable_item(bytes.fromhex(key), bytes.fromhex(salt[1:]))
    return wait(session, lt.dht_mutable_item_alert, lambda alert: [text(alert.item)] if alert.authoritative else [])


def text(item):
    """The value, which some versions of the binding wrap together with its target."""
    item = item.get("value", item) if isinstance(item, dict) else item
    return item.decode() if isinstance(item, bytes) else str(item)


def wait(session, kind, read):
    """What the first alert of a kind with something in it says, or nothing after some seconds."""
    end = time.monotonic() + 8
    while time.monotonic() < end:
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            found = read(alert) if isinstance(alert, kind) else []
            if found:
                return found
    return []


COMMANDS = {
    "announce": announce,
    "peers": peers,
    "put": put,
    "put_mutable": put_mutable,
    "get": get,
    "get_mutable": get_mutable,
    "sample": sample,
}

if __name__ == "__main__":
    main()
