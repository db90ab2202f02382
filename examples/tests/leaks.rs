//! Whole runs on a host with two devices, of which the user has named one: every packet of them is looked at, and one
//! that leaves by the other device, to somebody else than the proxy, or to whom the user avoids, fails the test.
//!
//! The host is a network namespace. Where none can be made, the test says so and is left out.
#![cfg(target_os = "linux")]

#[path = "../../tinytorrent-net/tests/support/proxy.rs"]
mod proxy;
#[path = "leaks/servers.rs"]
mod servers;
#[path = "leaks/watch.rs"]
mod watch;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proxy::Proxy;
use tempfile::TempDir;
use tinytorrent_client::{Client, ClientOptions, State, Torrent, TorrentOptions};
use tinytorrent_dht::{DhtNode, NodeConfig};
use tinytorrent_metainfo::{CreateOptions, Magnet};
use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
use tokio::net::UdpSocket;
use watch::{Guard, Packet, Watch};

const TEST: &str = "nothing_leaves_but_by_the_way_of_the_user";

/// Set inside of the namespaces.
const INSIDE: &str = "TINYTORRENT_LEAKS_INSIDE";

const PYTHON: &str = "/usr/bin/python3";

/// Timeout of a run. It is long, since the machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The internet: addresses that both devices lead to.
const INTERNET: [&str; 2] = ["45.9.0.1", "2606:4700:9::1"];

/// Our host, `ours`, with the devices `a1`, which the user names, and `a2`, by which all goes otherwise. Names are looked
/// up at the internet.
const HOSTS: &str = "
    mount -t tmpfs none /run
    echo 'nameserver 45.9.0.1' >/run/resolv.conf
    mount --bind /run/resolv.conf /etc/resolv.conf
    ip link set lo up
    ip netns add ours
    ip -n ours link set lo up
    ip address add 45.9.0.1/32 dev lo
    ip address add 2606:4700:9::1/128 dev lo nodad
";

/// A device of ours with its cable; `$1` is its number, and a smaller one is less liked by routes.
const DEVICE: &str = "
    ip link add b$1 type veth peer name a$1 netns ours
    ip address add 10.$1.0.1/24 dev b$1
    ip address add fd0$1::1/64 dev b$1 nodad
    ip link set b$1 up
    ip -n ours address add 10.$1.0.2/24 dev a$1
    ip -n ours address add fd0$1::2/64 dev a$1 nodad
    ip -n ours link set a$1 up
    ip -n ours route add default via 10.$1.0.1 dev a$1 metric $((9 - $1))
    ip -n ours -6 route add default via fd0$1::1 dev a$1 metric $((9 - $1))
";

/// A program on our host.
fn ours(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", "ours"]).arg(program);
    command
}

fn shell(script: &str, words: &[&str]) -> bool {
    let mut command = Command::new("sh");
    command.args(["-euc", script, "sh"]).args(words);
    command.status().is_ok_and(|status| status.success())
}

fn wait(what: &str, is_there: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !is_there() {
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The built file of an example, of the same profile as this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().with_file_name("examples").join(name)
}

/// A content, its torrent, and those on the internet who serve it.
struct Scene {
    folder: TempDir,
    magnet: String,
    runtime: tokio::runtime::Runtime,
    proxy: Proxy,
    /// Connections to the gateway, to the web seed that redirects, and to those whom a stranger names.
    gateway: Arc<AtomicUsize>,
    redirects: Vec<Arc<AtomicUsize>>,
    inside: Vec<Arc<AtomicUsize>>,
    _servers: (TrackerServer, DhtNode, Client, Torrent),
}

const TRACKER: u16 = 6969;
const NODE: u16 = 6900;
const SEED: u16 = 7000;
const PROXY: u16 = 1080;
const LSD: u16 = 6771;
const NAT_PMP: u16 = 5351;
const SSDP: u16 = 1900;

/// Ports of web seeds: one that the user has named by its name, and one by its address; one of the link, which redirects to
/// the last; and one of the link at an address of the local network.
const NAMED: u16 = 7080;
const NUMBERED: u16 = 7081;
const REDIRECTING: u16 = 7084;
const INSIDE_SEED: u16 = 7082;

/// All that goes out of a run with this protocol to its tracker and that one to its seed, but for what only gateways
/// are asked.
fn everything(tracker: &'static str, seed: &'static str) -> [(&'static str, u16); 8] {
    [
        (tracker, TRACKER),
        (seed, SEED),
        ("udp", NODE),
        ("udp", 53),
        ("tcp", NAMED),
        ("tcp", NUMBERED),
        ("tcp", REDIRECTING),
        ("udp", LSD),
    ]
}

/// The port at the internet to which the gateway of the local network leads.
const ELSEWHERE: u16 = 5000;

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("seed")).unwrap();
        let content = folder.path().join("seed/content");
        fs::write(
            &content,
            (0..3_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect::<Vec<_>>(),
        )
        .unwrap();
        let gateway = Ipv4Addr::new(10, 2, 0, 1);
        let inside = SocketAddr::from((gateway, INSIDE_SEED));
        let metainfo =
            CreateOptions::new().create(&content, &|_| ControlFlow::Continue(())).unwrap();
        let mut magnet = Magnet::from(&metainfo);
        // A link comes from strangers.
        magnet.web_seeds = vec![
            format!("http://{inside}/content"),
            format!("http://inside.test:{INSIDE_SEED}/content"),
            format!("http://seed.test:{REDIRECTING}/content"),
        ];
        fs::write(folder.path().join("content.torrent"), metainfo.to_bytes()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let at = |port| INTERNET.map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
        let redirects = servers::web_seeds(INTERNET, &content, inside);
        let nothing = || servers::Web::Text(String::new());
        let [elsewhere, _] = at(ELSEWHERE);
        let inside = vec![servers::serve(inside, nothing()), servers::serve(elsewhere, nothing())];
        let gateway = servers::lying_gateway(gateway, elsewhere);
        let (servers, proxy) = runtime.block_on(async {
            tokio::spawn(answer_names(UdpSocket::bind(at(53)[0]).await.unwrap()));
            let both = at(TRACKER);
            let tracker = TrackerServer::bind(ServerConfig::default(), &both, &both);
            let tracker = tracker.await.unwrap();
            let node = DhtNode::bind(&at(NODE), NodeConfig::new([7; 32])).await.unwrap();
            let mut options = ClientOptions::default();
            for address in at(SEED) {
                options.listen(address);
            }
            options.dht_node("45.9.0.1:6900".parse::<SocketAddr>().unwrap());
            let client = Client::start(options).unwrap();
            let mut options = TorrentOptions::new(folder.path().join("seed"));
            // Web seeds have their turn.
            options.upload_limit(Some(300_000));
            let seed = client.add(&metainfo, options).unwrap();
            seed.finished().await.unwrap();
            let names = SocketAddr::new(INTERNET[0].parse().unwrap(), 0);
            let at = SocketAddr::from(([10, 1, 0, 1], PROXY));
            let proxy = Proxy::start(at, Some(("joe", "secret")), true, Some(names));
            ((tracker, node, client, seed), proxy.await.unwrap())
        });
        assert_eq!(servers.3.state(), State::Seeding);
        let magnet = magnet.to_string();
        Self { folder, magnet, runtime, proxy, gateway, redirects, inside, _servers: servers }
    }

    /// Runs a download with everything on, until it is complete and `until` has happened. Returns what has left.
    fn download(&self, tracker: &str, words: &[&str], until: impl Fn(&Watch)) -> BTreeSet<Packet> {
        let output = self.folder.path().join("output");
        let watch = Watch::start();
        let mut download = ours(example("download"));
        download.arg(&self.magnet).arg("--output").arg(&output);
        download.args(["--seed", "--quiet", "--timeout", "120", "--no-resume"]);
        download.args(["--peer", "seed.test:7000", "--dht-node", "dht.test:6900"]);
        download.args(["--peer", "45.9.0.1:7000", "--dht-node", "45.9.0.1:6900"]);
        download.args(["--tracker", &format!("{tracker}://tracker.test:6969/announce")]);
        for host in ["seed.test:7080", "45.9.0.1:7081"] {
            download.args(["--web-seed", &format!("http://{host}/content")]);
        }
        download.args(words).stderr(Stdio::null());
        let mut download = Guard(download.spawn().unwrap());
        let is_complete =
            || is_same(&output.join("content"), &self.folder.path().join("seed/content"));
        wait(&format!("content with {words:?}"), is_complete);
        until(&watch);
        // The last announces are a part of it.
        let id = download.0.id().to_string();
        Command::new("kill").args(["-s", "INT", &id]).status().unwrap();
        download.0.wait().unwrap();
        fs::remove_dir_all(&output).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        watch.seen()
    }

    /// Runs behind the proxy, which relays datagrams if it is told to.
    fn leave_by_proxy(&self) {
        let proxy = ["--proxy", "socks5://joe:secret@10.1.0.1:1080"];
        let web = ["tcp seed.test:7080", "tcp 45.9.0.1:7081", "tcp seed.test:7084"];
        let dht = ["udp 45.9.0.1:6900", "udp dht.test:6900"];
        for (tracker, more, asked) in [
            ("udp", &[][..], &["udp tracker.test:6969", "tcp 45.9.0.1:7000"][..]),
            ("http", &["--bind", "a1"], &["tcp tracker.test:6969", "tcp 45.9.0.1:7000"]),
            ("udp", &["--proxy-udp", "--no-tcp"], &["udp tracker.test:6969", "udp 45.9.0.1:7000"]),
            (
                "http",
                &["--proxy-udp", "--no-tcp", "--bind", "a1"],
                &["tcp tracker.test:6969", "udp 45.9.0.1:7000"],
            ),
        ] {
            let words = [&proxy[..], more].concat();
            let is_relayed = more.contains(&"--proxy-udp");
            self.proxy.forget();
            let seen = self.download(tracker, &words, |watch| {
                watch.wait_for("tcp", PROXY);
                let dht = dht.iter().filter(|_| is_relayed);
                for target in asked.iter().chain(&web).chain(dht) {
                    wait(target, || self.proxy.asked().iter().any(|asked| asked == target));
                }
            });
            self.assert_nobody_was_led_inside(&seen);
            for packet in seen {
                assert_eq!(packet.target, "10.1.0.1", "{words:?}: {packet:?}");
            }
            let inside = format!("10.2.0.1:{INSIDE_SEED}");
            for asked in self.proxy.asked() {
                assert!(!asked.contains(&inside) && !asked.contains("127.0.0.1"), "{asked}");
                assert!(is_relayed || !dht.contains(&&*asked), "{asked}");
            }
        }
    }

    /// Takes the device away behind the proxy, and brings it back: the relay is asked for again, though no connection has
    /// told of its end.
    fn lose_device_behind_proxy(&self) {
        self.proxy.forget();
        let watch = Watch::start();
        let mut seed = ours(example("seed"));
        seed.arg(self.folder.path().join("content.torrent")).arg(self.folder.path().join("seed"));
        seed.args(["--bind", "a1", "--proxy", "socks5://joe:secret@10.1.0.1:1080", "--proxy-udp"]);
        seed.args(["--dht-node", "45.9.0.1:6900", "--quiet"]);
        let _seed = Guard(seed.stderr(Stdio::null()).spawn().unwrap());
        let is_asked = |what: &str| self.proxy.asked().iter().any(|asked| asked == what);
        wait("datagram by the relay", || is_asked("udp 45.9.0.1:6900"));
        assert!(shell("ip -n ours link del a1", &[]));
        std::thread::sleep(Duration::from_secs(5));
        self.proxy.forget();
        assert!(shell(DEVICE, &["1"]));
        wait("another relay", || is_asked("associate"));
        for packet in watch.seen() {
            // A device that is gone has no name any more.
            let is_right = packet.device != "a2" && packet.target == "10.1.0.1";
            assert!(is_right, "{packet:?}");
        }
    }

    /// A web seed that a stranger names, a redirect and the description of a gateway lead to nobody whom they should not.
    fn assert_nobody_was_led_inside(&self, seen: &BTreeSet<Packet>) {
        let count = |all: &[Arc<AtomicUsize>]| -> usize {
            all.iter().map(|count| count.load(Ordering::Relaxed)).sum()
        };
        assert!(count(&self.redirects) > 0, "this test could not fail");
        assert_eq!(count(&self.inside), 0, "{seen:?}");
        let is_inside = |packet: &&Packet| [INSIDE_SEED, ELSEWHERE].contains(&packet.port);
        assert_eq!(seen.iter().find(is_inside), None);
    }

    /// Takes the device of a run away, and brings it back.
    fn lose_device(&self) {
        let output = self.folder.path().join("output");
        let mut watch = Watch::start();
        let mut seed = ours(example("seed"));
        seed.arg(self.folder.path().join("content.torrent")).arg(self.folder.path().join("seed"));
        seed.args([
            "--bind",
            "a1",
            "--listen",
            "[::]:7100",
            "--dht-node",
            "45.9.0.1:6900",
            "--quiet",
        ]);
        seed.args(["--tracker", "udp://45.9.0.1:6969/announce"]);
        let _seed = Guard(seed.stderr(Stdio::null()).spawn().unwrap());
        watch.wait_for("udp", TRACKER);
        watch.wait_for("udp", NODE);
        // By TCP and by uTP, before and after.
        let fetch = |is_tcp: bool| {
            let bytes = fs::read(self.folder.path().join("content.torrent")).unwrap();
            let options = client_options(is_tcp);
            let (torrent, _client) = self.runtime.block_on(async {
                let client = Client::start(options).unwrap();
                let mut options = TorrentOptions::new(&output);
                options.peer("10.1.0.2:7100".parse::<SocketAddr>().unwrap());
                (client.add(&bytes[..], options).unwrap(), client)
            });
            wait("content of a bound seed", || torrent.state() == State::Seeding);
            fs::remove_dir_all(&output).unwrap();
        };
        fetch(true);
        fetch(false);
        assert!(shell("ip -n ours link del a1", &[]));
        std::thread::sleep(Duration::from_secs(5));
        let seen = watch.seen();
        assert!(seen.iter().all(|packet| packet.device == "a1"), "{seen:?}");
        watch = Watch::start();
        assert!(shell(DEVICE, &["1"]));
        fetch(true);
        fetch(false);
        let seen = watch.seen();
        assert!(seen.iter().all(|packet| packet.device == "a1"), "{seen:?}");
    }
}

/// A client that connects by TCP or by uTP alone.
fn client_options(is_tcp: bool) -> ClientOptions {
    let mut options = ClientOptions::default();
    options.dht(false).lsd(false).tcp(is_tcp).utp(!is_tcp);
    options
}

/// True if a packet goes to this host, and not from the resolver of the system.
fn is_to(host: &str, packet: &Packet) -> bool {
    packet.target == host && packet.port != 53
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// Answers each question for an address with that of the internet (RFC 1035, section 4.1).
async fn answer_names(socket: UdpSocket) {
    let mut buffer = [0; 512];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(name) = buffer[12..length].iter().position(|byte| *byte == 0) else { continue };
        let end = 12 + name + 5;
        let is_inside = buffer[12..].starts_with(b"\x06inside");
        let data = match buffer[end - 4..end] {
            [0, 1, ..] if is_inside => vec![10, 2, 0, 1],
            [0, 28, ..] if is_inside => Vec::new(),
            [0, 1, ..] => INTERNET[0].parse::<std::net::Ipv4Addr>().unwrap().octets().to_vec(),
            [0, 28, ..] => INTERNET[1].parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec(),
            _ => Vec::new(),
        };
        let count = u8::from(!data.is_empty());
        let mut answer = [&buffer[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]].concat();
        answer.extend(&buffer[12..end]);
        if count > 0 {
            answer.extend(b"\xc0\x0c");
            answer.extend(&buffer[end - 4..end]);
            answer.extend([0, 0, 0, 60, 0, data.len() as u8]);
            answer.extend(data);
        }
        let _ = socket.send_to(&answer, from).await;
    }
}

/// D-56, F-08, F-15, N-25
#[test]
fn nothing_leaves_but_by_the_way_of_the_user() {
    if std::env::var_os(INSIDE).is_some() {
        return run();
    }
    let mut namespaces = Command::new("unshare");
    namespaces.args(["--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    namespaces.arg("--mount-proc");
    let mut trial = Command::new(namespaces.get_program());
    trial.args(namespaces.get_args()).args(["sh", "-euc"]);
    trial.arg(format!("{HOSTS}\nip link add b9 type veth peer name a9 netns ours"));
    let can_run = trial.status().is_ok_and(|status| status.success()) && Path::new(PYTHON).exists();
    if !can_run {
        // Past libtest, which shows what is printed of tests that fail alone.
        let told =
            format!("left out: {TEST}: there are no network namespaces here, or no {PYTHON}\n");
        return std::io::stderr().write_all(told.as_bytes()).unwrap();
    }
    namespaces.arg(std::env::current_exe().unwrap());
    namespaces.args([TEST, "--exact", "--nocapture"]).env(INSIDE, "1");
    assert!(namespaces.status().unwrap().success());
}

fn run() {
    assert!(shell(HOSTS, &[]) && shell(DEVICE, &["1"]) && shell(DEVICE, &["2"]));
    let scene = Scene::new();
    // All goes out if nothing is said: by the device that routes like.
    let free = scene.download("udp", &[], |watch| {
        let gateways = [("udp", NAT_PMP), ("udp", SSDP)];
        for (protocol, port) in everything("udp", "tcp").into_iter().chain(gateways) {
            watch.wait_for(protocol, port);
        }
        wait("description of a gateway", || scene.gateway.load(Ordering::Relaxed) > 0);
    });
    scene.assert_nobody_was_led_inside(&free);
    assert!(free.iter().any(|packet| packet.device == "a2"), "this test could not fail");
    for host in INTERNET {
        assert!(free.iter().any(|packet| is_to(host, packet)), "this test could not fail");
    }

    for (binding, sources) in [
        ("10.1.0.2", &["10.1.0.2"][..]),
        ("10.1.0.2,fd01::2", &["10.1.0.2", "fd01::2"]),
        ("a1", &["10.1.0.2", "fd01::2"]),
    ] {
        for (tracker, peers, transport) in [("udp", "tcp", "--no-utp"), ("http", "udp", "--no-tcp")]
        {
            let words = ["--bind", binding, transport];
            let seen = scene.download(tracker, &words, |watch| {
                let announced = if tracker == "udp" { "udp" } else { "tcp" };
                for (protocol, port) in everything(announced, peers) {
                    watch.wait_for(protocol, port);
                }
            });
            scene.assert_nobody_was_led_inside(&seen);
            for packet in seen {
                let port = packet.port;
                assert!(![NAT_PMP, SSDP].contains(&port), "{words:?}: {packet:?}");
                assert_eq!(packet.device, "a1", "{words:?}: {packet:?}");
                assert!(sources.contains(&packet.source.as_str()), "{words:?}: {packet:?}");
            }
        }
    }

    let list = scene.folder.path().join("list");
    for (avoided, host) in ["45.9.0.0/16", "2606:4700:9::/48"].into_iter().zip(INTERNET) {
        fs::write(&list, format!("# half of the internet\n{avoided}\n")).unwrap();
        for (tracker, announced) in [("udp", "udp"), ("http", "tcp")] {
            let words = ["--block", list.to_str().unwrap()];
            let seen = scene.download(tracker, &words, |watch| {
                watch.wait_for(announced, TRACKER);
                watch.wait_for("udp", NODE);
                watch.wait_for("tcp", NAMED);
                watch.wait_for("udp", NAT_PMP);
            });
            scene.assert_nobody_was_led_inside(&seen);
            for packet in seen {
                assert!(!is_to(host, &packet), "{avoided}: {packet:?}");
            }
        }
    }

    scene.lose_device();

    scene.leave_by_proxy();
    scene.lose_device_behind_proxy();
    scene.runtime.shutdown_background();
}
