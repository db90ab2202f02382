//! Speaks to the DHT: finds and announces peers, stores and finds items, follows keys, and runs a node.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use serde_json::json;
use tinytorrent_dht::{
    Announce, DhtNode, Event, Lookup, NodeConfig, NodeId, ROUTERS, SearchReport,
};
use tinytorrent_examples::{
    Common, Deadline, Failure, Outcome, Output, block_on_interruptible, run, start,
};
use tinytorrent_metainfo::{HostPort, KeyMagnet};
use tinytorrent_net::{Binding, Network, NetworkConfig};
use tinytorrent_types::WireInfoHash;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

mod items;
mod keys;

/// Time for the look-up of a name. Resolvers take 5 s for each of two tries.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Speaks to the DHT.
///
/// Exit code 0 if it was done, 1 if nobody answered or nothing was found.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Command,

    /// A node to enter the DHT by (repeatable); default: the well-known routers
    #[arg(long = "node", value_name = "HOST:PORT", global = true)]
    nodes: Vec<String>,

    /// The address of our socket (repeatable, one of each family); default: both families, any port
    #[arg(long = "listen", value_name = "ADDR:PORT", global = true)]
    listen: Vec<SocketAddr>,

    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", global = true)]
    timeout: Option<u64>,

    /// Leave by this address, one of each family with a comma between, or this device, or not at all
    #[arg(long, value_name = "ADDR|DEVICE", global = true)]
    bind: Option<Binding>,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Command {
    /// Find the peers of a torrent, each as soon as it is known
    Peers { info_hash: WireInfoHash },
    /// Announce that this host has a torrent
    Announce {
        info_hash: WireInfoHash,
        /// The port at which peers can connect; default: that of our socket, as others see it
        #[arg(long)]
        port: Option<u16>,
        /// All of the torrent is here
        #[arg(long)]
        seed: bool,
    },
    /// Estimate the number of peers and seeds of a torrent (BEP 33)
    Scrape { info_hash: WireInfoHash },
    /// Ask one node if it is there
    Ping { node: String },
    /// Store a text (BEP 44)
    Put {
        text: String,
        /// The file with the secret key of a mutable item: 32 bytes, or 64 hexadecimal digits
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The name of the item among those of its key
        #[arg(long, default_value = "", requires = "key")]
        salt: String,
    },
    /// Find a text (BEP 44)
    Get {
        /// The target of an immutable item
        #[arg(required_unless_present = "public_key", conflicts_with = "public_key")]
        target: Option<NodeId>,
        /// The public key of a mutable item, in hexadecimal digits
        #[arg(long, value_name = "HEX")]
        public_key: Option<String>,
        /// The name of the item among those of its key
        #[arg(long, default_value = "", requires = "public_key")]
        salt: String,
    },
    /// Find the torrent that the owner of a key has named last (BEP 46)
    Resolve {
        /// A magnet link with `xs=urn:btpk:`
        link: KeyMagnet,
    },
    /// Tell each torrent that the owner of a key names, until interrupted (BEP 46)
    Follow {
        /// A magnet link with `xs=urn:btpk:`
        link: KeyMagnet,
        /// The time between two look-ups; at least a minute
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        interval: u64,
    },
    /// Name a torrent as the owner of a key, and keep it known until interrupted (BEP 46)
    Publish {
        info_hash: WireInfoHash,
        /// The file with the secret key: 32 bytes, or 64 hexadecimal digits
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The name of the torrent among those of its key
        #[arg(long, default_value = "")]
        salt: String,
    },
    /// Ask one node for a sample of its torrents (BEP 51)
    Sample { node: String },
    /// Run a node until interrupted
    Node {
        /// Answer with at most so many bytes a second; default: 64 KiB
        #[arg(long, value_name = "BYTES")]
        answer_bytes: Option<u32>,
        /// Block hosts that send more queries a second; default: 5
        #[arg(long, value_name = "QUERIES")]
        host_queries: Option<u32>,
    },
}

impl Command {
    fn link(&self) -> Option<&KeyMagnet> {
        match self {
            Self::Resolve { link } | Self::Follow { link, .. } => Some(link),
            _ => None,
        }
    }
}

fn main() -> Outcome {
    let options: Options = start();
    let out = options.common.output();
    let deadline = Deadline::new(Instant::now(), options.timeout);
    run(&options.common, || {
        block_on_interruptible(async {
            let done = deadline.limit(speak(&options, out)).await;
            let late = || Failure::CouldNot(format!("not done in {} s", deadline.seconds()));
            done.ok_or_else(late)?
        })
    })
}

async fn speak(options: &Options, out: Output) -> Result<(), Failure> {
    let node = bind(options, out).await?;
    if matches!(options.command, Command::Node { .. }) && options.nodes.is_empty() {
        node.bootstrap(ROUTERS);
        return serve(&node, out).await;
    }
    let entered = match options.command.link() {
        // The link may know nodes of its own.
        Some(link) if options.nodes.is_empty() && !link.nodes().is_empty() => {
            let names: Vec<_> = link.nodes().iter().map(ToString::to_string).collect();
            match enter(options, &node, &names, out).await {
                Err(_) => enter(options, &node, &[], out).await,
                entered => entered,
            }
        }
        _ => enter(options, &node, &options.nodes, out).await,
    };
    match entered {
        // Others may come to a node that runs.
        Err(Failure::CouldNot(why)) if matches!(options.command, Command::Node { .. }) => {
            out.say(why);
        }
        entered => entered?,
    }
    match &options.command {
        Command::Peers { info_hash } => {
            let report = follow(node.find_peers(*info_hash), out).await?;
            finish(out, &report, report.peers > 0, "no peer was found")
        }
        Command::Announce { info_hash, port, seed } => {
            let announce = Announce { port: *port, is_seed: *seed };
            let report = follow(node.announce(*info_hash, announce), out).await?;
            out.say(format!("announced to {} nodes", report.stored));
            finish(out, &report, report.stored > 0, "no node stored it")
        }
        Command::Scrape { info_hash } => {
            let report = follow(node.scrape(*info_hash), out).await?;
            let scrape = report.scrape.clone().unwrap_or_default();
            let (peers, seeds) = (scrape.peers.estimate().round(), scrape.seeds.estimate().round());
            out.say(format!("about {peers} peers and {seeds} seeds"));
            out.event(&json!({ "event": "scrape", "peers": peers, "seeds": seeds }));
            finish(out, &report, report.answers > 0, "no node answered")
        }
        Command::Put { text, key, salt } => {
            items::put(&node, text, key.as_deref(), salt, out).await
        }
        Command::Get { target, public_key, salt } => {
            items::get(&node, *target, public_key.as_deref(), salt, out).await
        }
        Command::Resolve { link } => keys::resolve(&node, link, out).await,
        Command::Follow { link, interval } => keys::follow(&node, link, *interval, out).await,
        Command::Publish { info_hash, key, salt } => {
            keys::publish(&node, *info_hash, key, salt, out).await
        }
        Command::Ping { node: name } => {
            let address = resolve(options, name).await?[0];
            let answer = node.ping(address).await.ok_or_else(|| silent(address))?;
            out.say(format!(
                "{} at {address}: {} ms",
                answer.node.id,
                answer.round_trip.as_millis()
            ));
            out.event(&json!({ "event": "pong", "id": answer.node.id.to_string(), "node": address.to_string(), "seconds": answer.round_trip.as_secs_f64() }));
            Ok(())
        }
        Command::Sample { node: name } => {
            let address = resolve(options, name).await?[0];
            let target = NodeId::from_bytes(rand::random());
            let answer = node.sample(address, target).await.ok_or_else(|| silent(address))?;
            let sample = answer
                .sample
                .ok_or_else(|| Failure::CouldNot(format!("{address} gives no samples")))?;
            for hash in &sample.info_hashes {
                out.say(hash.to_string());
                out.event(&json!({ "event": "sample", "info_hash": hash.to_string() }));
            }
            out.event(&json!({ "event": "finished", "total": sample.total, "interval": sample.interval.as_secs() }));
            Ok(())
        }
        Command::Node { .. } => serve(&node, out).await,
    }
}

async fn bind(options: &Options, out: Output) -> Result<DhtNode, Failure> {
    let mut config = NodeConfig::new(rand::random());
    // A node that is gone in a moment is of no use in the tables of others.
    let stays = matches!(
        options.command,
        Command::Node { .. } | Command::Follow { .. } | Command::Publish { .. }
    );
    config.read_only(!stays);
    if let Command::Node { answer_bytes, host_queries } = options.command {
        answer_bytes.map(|bytes| config.answer_bytes_per_second(bytes));
        host_queries.map(|queries| config.queries_per_host(queries));
    }
    let network = network(options);
    let both = [(std::net::Ipv6Addr::UNSPECIFIED, 0).into()];
    let addresses = if options.listen.is_empty() { &both[..] } else { &options.listen };
    let open = |addresses: &[SocketAddr]| -> std::io::Result<Vec<_>> {
        let addresses = addresses.iter().flat_map(|address| network.binding().listening(*address));
        addresses.map(|address| UdpSocket::from_std(network.listen_udp(address)?)).collect()
    };
    let sockets = match open(addresses) {
        // By default there is a socket for each family that this host has.
        Ok(mut sockets) if options.listen.is_empty() && sockets.len() == 1 => {
            sockets.extend(open(&[([0, 0, 0, 0], 0).into()]).unwrap_or_default());
            Ok(sockets)
        }
        Err(_) if options.listen.is_empty() => open(&[([0, 0, 0, 0], 0).into()]),
        opened => opened,
    };
    let node = sockets.and_then(|sockets| DhtNode::with(sockets, config));
    let node = node.map_err(|error| Failure::could_not("cannot open a socket", &error))?;
    for address in node.local_addresses() {
        out.event(&json!({ "event": "listening", "addr": address.to_string() }));
    }
    Ok(node)
}

/// Makes the node know others. Those of the user come into its table, and the first answer is enough to begin.
async fn enter(
    options: &Options,
    node: &DhtNode,
    names: &[String],
    out: Output,
) -> Result<(), Failure> {
    let mut entering = JoinSet::new();
    let routers = ROUTERS.map(str::to_owned);
    for name in if names.is_empty() { &routers } else { names } {
        match resolve(options, name).await {
            Ok(addresses) if names.is_empty() => {
                addresses.into_iter().for_each(|address| node.add_router(address));
            }
            Ok(addresses) => {
                for address in addresses {
                    let node = node.clone();
                    entering.spawn(async move { node.ping(address).await });
                }
            }
            // Of the routers one is enough.
            Err(error) if names.is_empty() => out.say(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    while let Some(answer) = entering.join_next().await {
        if matches!(answer, Ok(Some(_))) {
            entering.detach_all();
            return Ok(());
        }
    }
    if names.is_empty() { Ok(()) } else { Err(Failure::CouldNot("no node answered".to_owned())) }
}

/// The opener of sockets, which looks up names.
fn network(options: &Options) -> Network {
    let mut config = NetworkConfig::default();
    config.bind(options.bind.clone().unwrap_or_default());
    Network::new(config)
}

async fn resolve(options: &Options, name: &str) -> Result<Vec<SocketAddr>, Failure> {
    let failed =
        |error: &dyn std::error::Error| Failure::could_not(format!("cannot look up {name}"), error);
    let host: HostPort = name.parse().map_err(|error| failed(&error))?;
    let deadline = tokio::time::Instant::now() + LOOK_UP;
    let found = network(options).look_up(host.host(), host.port(), deadline).await;
    let addresses = found.map_err(|error| failed(&error))?;
    if addresses.is_empty() {
        Err(Failure::CouldNot(format!("{name} has no address")))
    } else {
        Ok(addresses)
    }
}

/// Prints peers as they come.
async fn follow(mut lookup: Lookup, out: Output) -> Result<SearchReport, Failure> {
    loop {
        match lookup.next().await {
            Some(Event::PeersFound { peers, .. }) => {
                for peer in peers {
                    out.say(peer.to_string());
                    out.event(&json!({ "event": "peer", "peer": peer.to_string() }));
                }
                out.check()?;
            }
            Some(Event::SearchEnded { report, .. }) => return Ok(report),
            Some(_) => {}
            None => return Err(Failure::CouldNot("the node has ended".to_owned())),
        }
    }
}

fn finish(out: Output, report: &SearchReport, is_done: bool, why_not: &str) -> Result<(), Failure> {
    out.event(&json!({
        "event": "finished",
        "peers": report.peers,
        "stored": report.stored,
        "queries": report.queries,
        "answers": report.answers,
    }));
    if is_done { Ok(()) } else { Err(Failure::CouldNot(why_not.to_owned())) }
}

fn silent(address: SocketAddr) -> Failure {
    Failure::CouldNot(format!("{address} does not answer"))
}

async fn serve(node: &DhtNode, out: Output) -> Result<(), Failure> {
    for address in node.local_addresses() {
        out.say(format!("listening on {address}"));
    }
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let stats = node.stats();
        out.say(format!(
            "{} nodes, {} torrents, {} items; {} B in, {} B out",
            stats.nodes(),
            stats.torrents,
            stats.items,
            stats.bytes_in,
            stats.bytes_out
        ));
        out.event(&json!({
            "event": "node",
            "nodes_v4": stats.nodes_v4,
            "nodes_v6": stats.nodes_v6,
            "torrents": stats.torrents,
            "peers": stats.peers,
            "items": stats.items,
            "bytes_in": stats.bytes_in,
            "bytes_out": stats.bytes_out,
        }));
        out.check()?;
    }
}
