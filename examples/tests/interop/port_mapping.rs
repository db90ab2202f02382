//! Ports that a gateway maps: miniupnpd in a network namespace, with a host behind it.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::content::Content;
use crate::support::hosts::Host;
use crate::support::need::{Need, need};
use crate::support::ours::Ours;
use crate::support::process::Process;
use crate::support::runner::tests;
use crate::support::scene::Scene;
use crate::support::{COMPLETE, START};

tests![
    seed_is_mapped_by_pcp_until_it_ends,
    seed_is_mapped_by_upnp_until_it_ends,
    another_port_is_taken_where_the_gateway_gives_another,
    peer_outside_connects_to_the_port_that_a_tracker_was_told,
    seed_ends_soon_after_its_gateway_has_gone,
    nothing_is_asked_for_unless_it_is_wanted,
];

const SEED: Need = Need::Example("seed");

/// A tracker outside, if there is one.
const TRACKER: &str = "http://9.9.9.1:6969/announce";

/// The tables and chains that miniupnpd expects.
const CHAINS: &str = "table inet filter {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain forward { type filter hook forward priority 0; policy accept; jump miniupnpd; }
    chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority 100; ip saddr 10.99.0.0/24 oifname wan0 masquerade; jump postrouting_miniupnpd; }
}";

const SETTINGS: &str = "ext_ifname=wan0
ext_ip=9.9.9.9
listening_ip=eth0
http_port=5555
enable_upnp=yes
secure_mode=yes
min_lifetime=120
max_lifetime=86400
uuid=00000000-0000-0000-0000-000000000000
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
";

/// A gateway with a host on either side.
struct Network {
    gateway: Host,
    /// On the side of the internet, at 9.9.9.1.
    outside: Host,
    host: Host,
    scene: Scene,
    daemon: Option<Process>,
}

impl Network {
    fn new(more: &str, ports: &str) -> Self {
        let (gateway, host) = Host::pair(&["10.99.0.1/24"], &["10.99.0.2/24"]);
        let outside = Host::behind(&gateway, "wan0");
        gateway.run("ip", &["address", "add", "9.9.9.9/24", "dev", "wan0"]);
        outside.run("ip", &["address", "add", "9.9.9.1/24", "dev", "eth0"]);
        gateway.run("sysctl", &["-qw", "net.ipv4.ip_forward=1"]);
        host.run("ip", &["route", "replace", "default", "via", "10.99.0.1"]);
        let mut scene = Scene::new(Content::small_single());
        scene.announce_to(&[TRACKER]);
        let (chains, settings) = (scene.path().join("chains"), scene.path().join("settings"));
        fs::write(&chains, CHAINS).unwrap();
        let allowed =
            format!("allow {ports} 10.99.0.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n");
        fs::write(&settings, [SETTINGS, more, &allowed].concat()).unwrap();
        gateway.run("nft", &["-f", chains.to_str().expect("temporary paths are text")]);
        let mut daemon = Command::new("/usr/sbin/miniupnpd");
        daemon.arg("-d").arg("-f").arg(&settings).arg("-P").arg(scene.path().join("pid"));
        let daemon = Process::spawn("miniupnpd", &gateway.command(&daemon), scene.path());
        let deadline = Instant::now() + START;
        while !daemon.stderr().contains("HTTP listening on port 5555") {
            assert!(Instant::now() < deadline, "miniupnpd does not start: {}", daemon.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { gateway, outside, host, scene, daemon: Some(daemon) }
    }

    /// A seed behind the gateway.
    fn seed(&self, words: &[&str]) -> Ours {
        let (torrent, dir) = (self.scene.torrent(), self.scene.seed_dir());
        let paths = [torrent, dir].map(|path| path.to_str().expect("they are text").to_owned());
        let listen = if words.is_empty() { "0.0.0.0:6881" } else { "0.0.0.0:0" };
        let fixed = [&paths[0], &paths[1], "--listen", listen, "--no-dht", "--no-lsd"];
        let mut seed = Ours::run_on(&self.host, "seed", &self.scene, &[&fixed, words].concat());
        seed.address();
        seed
    }

    /// The number of mappings to our port.
    fn mappings(&self) -> usize {
        let mut list = Command::new("nft");
        list.args(["list", "ruleset"]);
        let listed = self.gateway.command(&list).output().expect("nft runs");
        String::from_utf8_lossy(&listed.stdout).matches("dnat ip to 10.99.0.2:6881").count()
    }
}

/// TCP and UDP are mapped to this port by this protocol, and not any more once the program has ended.
fn is_mapped_until_it_ends(network: &Network, protocol: &str, port: u16) {
    let mut seed = network.seed(&[]);
    for transport in ["Tcp", "Udp"] {
        let told = format!(
            "the gateway maps a port transport={transport} port={port} address=Some(9.9.9.9) \
             protocol=Some({protocol})"
        );
        seed.wait_for_log(&told, START);
    }
    assert_eq!(network.mappings(), 2);
    seed.signal("INT");
    seed.wait(START);
    assert_eq!(network.mappings(), 0, "they are deleted");
}

fn seed_is_mapped_by_pcp_until_it_ends() {
    need!(SEED, Need::Hosts, Need::Miniupnpd);
    let network = Network::new("enable_natpmp=yes\n", "1024-65535");
    is_mapped_until_it_ends(&network, "Pcp", 6881);
}

fn seed_is_mapped_by_upnp_until_it_ends() {
    need!(SEED, Need::Hosts, Need::Miniupnpd);
    let network = Network::new("enable_natpmp=no\n", "1024-65535");
    is_mapped_until_it_ends(&network, "Upnp", 6881);
}

fn another_port_is_taken_where_the_gateway_gives_another() {
    need!(SEED, Need::Hosts, Need::Miniupnpd);
    let network = Network::new("enable_natpmp=yes\n", "7000-7999");
    is_mapped_until_it_ends(&network, "Pcp", 7000);
}

fn peer_outside_connects_to_the_port_that_a_tracker_was_told() {
    need!(SEED, Need::Example("download"), Need::Example("track"), Need::Hosts, Need::Miniupnpd);
    let network = Network::new("enable_natpmp=yes\n", "7000-7999");
    let scene = &network.scene;
    let mut seed = network.seed(&[]);
    seed.wait_for_log("the gateway maps a port transport=Udp port=7000", START);
    // Only now, so that the tracker is told of one port alone: of another one it would be told a minute later.
    let mut tracker = Ours::run_on(&network.outside, "track", scene, &["--http", "9.9.9.1:6969"]);
    tracker.wait_for_event("listening", START);
    seed.wait_for_log("event=TrackerAnswered", COMPLETE);
    // The seed cannot connect to it.
    let (torrent, dir) = (scene.torrent(), scene.room("download"));
    let paths = [torrent, dir].map(|path| path.to_str().expect("they are text").to_owned());
    let words = [&paths[0], "--output", &paths[1], "--listen", "127.0.0.1:0", "--no-dht"];
    Ours::run_on(&network.outside, "download", scene, &words).finish();
    scene.assert_complete(&scene.room("download"));
}

fn seed_ends_soon_after_its_gateway_has_gone() {
    need!(SEED, Need::Hosts, Need::Miniupnpd);
    for protocol in ["yes", "no"] {
        let mut network = Network::new(&format!("enable_natpmp={protocol}\n"), "1024-65535");
        let mut seed = network.seed(&[]);
        seed.wait_for_log("the gateway maps a port transport=Udp", START);
        drop(network.daemon.take());
        network.host.run("ip", &["link", "set", "eth0", "down"]);
        seed.signal("INT");
        seed.wait(START);
    }
}

fn nothing_is_asked_for_unless_it_is_wanted() {
    need!(SEED, Need::Hosts, Need::Miniupnpd);
    let network = Network::new("enable_natpmp=yes\n", "1024-65535");
    let silent = network.seed(&["--no-port-mapping"]);
    // Another one, which is mapped, has had time for it.
    is_mapped_until_it_ends(&network, "Pcp", 6881);
    assert!(!silent.stderr().contains("portmap"), "{}", silent.stderr());
}
