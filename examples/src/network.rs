use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tinytorrent_client::{PeerAddress, WebSeedUrl};

use crate::{WayOptions, parse_rate, parse_size, parse_tracker};

/// Use of message stream encryption (MSE/PE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Encryption {
    /// Plain connections only, both ways
    Off,
    /// As the peer wants: plain, and encrypted for those who refuse that
    #[default]
    Prefer,
    /// Encrypted connections only, both ways
    Require,
}

/// The options of the programs that talk to peers.
#[derive(Debug, Clone, Args)]
pub struct NetworkOptions {
    /// One more tracker (repeatable)
    #[arg(long = "tracker", value_name = "URL", value_parser = parse_tracker)]
    pub trackers: Vec<String>,

    /// Address to accept peers at; port 0 picks a free port
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,

    /// Ask no tracker
    #[arg(long)]
    pub no_trackers: bool,

    /// Ask trackers of the torrent at local addresses under any path, and not just /announce, connect to web seeds there, and
    /// connect to peers there whoever names them
    #[arg(long)]
    pub allow_local_trackers: bool,

    /// Leave the distributed hash table out
    #[arg(long)]
    pub no_dht: bool,

    /// A node to enter the distributed hash table by, in place of the well-known routers (repeatable)
    #[arg(long = "dht-node", value_name = "HOST:PORT")]
    pub dht_nodes: Vec<PeerAddress>,

    /// Leave out the search for peers in the local network
    #[arg(long)]
    pub no_lsd: bool,

    /// Do not ask the router to map ports (PCP, NAT-PMP, UPnP)
    #[arg(long)]
    pub no_port_mapping: bool,

    /// Leave the exchange of peers between peers out
    #[arg(long)]
    pub no_pex: bool,

    /// Leave the exchange of trackers between peers out
    #[arg(long)]
    pub no_tracker_exchange: bool,

    /// Leave out connections over UDP (uTP)
    #[arg(long)]
    pub no_utp: bool,

    /// Leave out connections over TCP
    #[arg(long, conflicts_with = "no_utp")]
    pub no_tcp: bool,

    /// One more web seed: the URL of the file, or of the folder with the torrent's name in it (repeatable)
    #[arg(long = "web-seed", value_name = "URL")]
    pub web_seeds: Vec<WebSeedUrl>,

    /// Ask no web seed, neither those of the torrent or its link nor those of --web-seed
    #[arg(long)]
    pub no_web_seeds: bool,

    /// The ways by which everything leaves.
    #[command(flatten)]
    pub ways: WayOptions,

    /// Have uTP and the distributed hash table go through the proxy, which has to relay datagrams (SOCKS5, UDP ASSOCIATE);
    /// without this they are off behind one
    #[arg(long, requires = "proxy")]
    pub proxy_udp: bool,

    /// A list of addresses never to speak to: CIDR lines, ipfilter.dat of eMule, or PeerGuardian's; plain or gzip
    #[arg(long, value_name = "FILE")]
    pub block: Option<PathBuf>,

    /// Use of encryption for connections to peers
    #[arg(long, value_enum, default_value_t, value_name = "POLICY")]
    pub encryption: Encryption,

    /// Most bytes a second to receive, such as 2MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub limit_down: Option<u64>,

    /// Most bytes a second to send, such as 512KiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub limit_up: Option<u64>,

    /// Most peers at a time
    #[arg(long, value_name = "N")]
    pub max_peers: Option<usize>,

    /// Most memory for payload under way, such as 64MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Options {
        #[command(flatten)]
        network: NetworkOptions,
    }

    fn parse(words: &[&str]) -> Result<NetworkOptions, clap::Error> {
        let words = std::iter::once("program").chain(words.iter().copied());
        Options::try_parse_from(words).map(|options| options.network)
    }

    #[test]
    fn every_source_and_transport_can_be_left_out() {
        let all =
            "--no-trackers --no-dht --no-lsd --no-pex --no-utp --no-web-seeds --no-port-mapping";
        let network = parse(&all.split(' ').collect::<Vec<_>>()).expect("all are options");
        assert!(network.no_trackers && network.no_dht && network.no_lsd);
        assert!(network.no_pex && network.no_utp && network.no_web_seeds);
    }

    #[test]
    fn every_option_has_something_behind_it() {
        use clap::CommandFactory;

        let command = Options::command();
        for argument in command.get_arguments() {
            let name = argument.get_long().unwrap_or_default();
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.contains("not yet"), "--{name}: {help}");
        }
    }

    #[test]
    fn encryption_is_preferred_unless_said_otherwise() {
        assert_eq!(parse(&[]).unwrap().encryption, Encryption::Prefer);
        assert_eq!(parse(&["--encryption", "off"]).unwrap().encryption, Encryption::Off);
        assert_eq!(parse(&["--encryption", "require"]).unwrap().encryption, Encryption::Require);
        assert!(parse(&["--encryption", "maybe"]).is_err());
    }

    // U-36: a UDP tracker has no default port.
    #[test]
    fn url_of_no_tracker_is_bad_usage() {
        let password = "http://joe:secret@h/announce?x=%2f";
        assert_eq!(parse(&["--tracker", password]).unwrap().trackers, [password]);
        for bad in ["", "foo", "udp://h/announce", "wss://h/", "http://", "http://h:0/", "h:80"] {
            assert!(parse(&["--tracker", bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn datagrams_are_relayed_by_a_proxy_alone() {
        assert!(parse(&["--proxy-udp"]).is_err());
        let network = parse(&["--proxy", "socks5://h:1", "--proxy-udp"]).unwrap();
        assert!(network.proxy_udp && crate::client_options(&network).is_ok());
        let network = parse(&["--proxy", "http://h:1", "--proxy-udp"]).unwrap();
        assert!(crate::client_options(&network).is_err(), "it has no datagrams");
        assert!(!parse(&["--proxy", "socks5://h:1"]).unwrap().proxy_udp);
    }

    #[test]
    fn limits_take_units() {
        let network = parse(&["--limit-down", "2MiB", "--memory", "64MiB"]).unwrap();
        assert_eq!(network.limit_down, Some(2 << 20));
        assert_eq!(network.memory, Some(64 << 20));
        assert_eq!(network.limit_up, None);
    }
}
