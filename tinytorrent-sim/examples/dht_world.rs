//! Look-ups and a day of a DHT in virtual time, for the figures of `docs/performance/dht.md`.
//!
//!     cargo run --release -p tinytorrent-sim --example dht_world -- look-ups
//!     cargo run --release -p tinytorrent-sim --example dht_world -- day
//!
//! Parameters are given as `NAME=NUMBER`; those in use are printed first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tinytorrent_dht::{Announce, Node, SearchId};
use tinytorrent_sim::{DhtWorld, Links, LookUp, torrent};

fn main() {
    let mut words = std::env::args().skip(1);
    let task = words.next();
    let mut parameters = Parameters::default();
    for word in words {
        let number =
            word.split_once('=').and_then(|(name, number)| Some((name, number.parse().ok()?)));
        let Some((name, number)) = number else { return usage() };
        let Some(parameter) = parameters.0.get_mut(name) else { return usage() };
        *parameter = number;
    }
    match task.as_deref() {
        Some("look-ups") => look_ups(&parameters),
        Some("day") => day(&parameters),
        _ => usage(),
    }
}

fn usage() {
    let names: Vec<_> = Parameters::default().0.into_keys().collect();
    eprintln!("usage: dht_world look-ups|day [NAME=NUMBER]...\nnames: {}", names.join(", "));
}

struct Parameters(BTreeMap<&'static str, f64>);

impl Default for Parameters {
    fn default() -> Self {
        Self(BTreeMap::from([
            ("seed", 1.0),
            ("nodes", 10_000.0),
            ("median-ms", 120.0),
            ("spread", 0.6),
            ("loss", 0.05),
            ("dead", 0.3),
            ("read-only", 0.2),
            ("warm-up-minutes", 15.0),
            ("torrents", 200.0),
            ("peers", 1.0),
            ("look-ups", 1_000.0),
            ("hours", 24.0),
            ("stay-minutes", 60.0),
        ]))
    }
}

impl Parameters {
    fn get(&self, name: &str) -> f64 {
        self.0[name]
    }

    fn world(&self) -> DhtWorld {
        let shown: Vec<_> =
            self.0.iter().map(|(name, number)| format!("{name}={number}")).collect();
        println!("{}", shown.join(" "));
        let links = Links {
            median: Duration::from_secs_f64(self.get("median-ms") / 1e3),
            spread: self.get("spread"),
            loss: self.get("loss"),
        };
        let mut world = DhtWorld::new(self.get("seed") as u64, links);
        world.populate(self.get("nodes") as usize, self.get("read-only"));
        world.run_for(Duration::from_secs_f64(self.get("warm-up-minutes") * 60.0));
        world
    }
}

/// Tables are filled, a share of the nodes falls silent at once, torrents are announced, and others look for them.
fn look_ups(parameters: &Parameters) {
    let mut world = parameters.world();
    tables(&mut world);
    world.silence(parameters.get("dead"));
    let (torrents, peers) = (parameters.get("torrents") as u32, parameters.get("peers") as u16);
    let announces = run_all(&mut world, torrents * u32::from(peers), |n, now, node| {
        let announce = Announce { port: Some(1_000 + n as u16), is_seed: false };
        node.announce(now, torrent(n % torrents), announce)
    });
    let count = parameters.get("look-ups") as u32;
    let all =
        run_all(&mut world, count, |n, now, node| node.find_peers(now, torrent(n % torrents)));
    let found = all.iter().filter(|look_up| !look_up.peers.is_empty()).count();
    let agreement = all.iter().zip(0..).map(|(look_up, n)| {
        world.agreement(look_up.node, torrent(n % torrents).into(), &look_up.report)
    });
    let agreement: f64 = agreement.sum();
    println!("look-ups that found peers: {found} of {count}");
    println!("of the 8 closest reachable nodes: {:.3}", agreement / f64::from(count));
    report("look-ups", &all);
    report("announces", &announces);
    let stored = announces.iter().map(|look_up| f64::from(look_up.report.stored));
    show("  stored with", stored.collect());
    println!("datagrams in all: {}", world.datagrams);
}

/// Begins twenty searches a second, each of a random node, and runs them to their ends.
fn run_all(
    world: &mut DhtWorld,
    count: u32,
    mut begin: impl FnMut(u32, Instant, &mut Node) -> SearchId,
) -> Vec<LookUp> {
    let mut searches = Vec::new();
    for n in 0..count {
        let node = world.random_node();
        searches.push(world.begin(node, |now, node| begin(n, now, node)));
        world.run_for(Duration::from_millis(50));
    }
    world.run_for(Duration::from_secs(30));
    searches.into_iter().filter_map(|search| world.outcome(search)).collect()
}

fn report(what: &str, all: &[LookUp]) {
    println!("{what}:");
    let first = all.iter().filter_map(|look_up| look_up.first);
    show("  first peers: s", first.map(|time| time.as_secs_f64()).collect());
    show("  end: s", all.iter().map(|look_up| look_up.took.as_secs_f64()).collect());
    show("  queries", all.iter().map(|look_up| f64::from(look_up.report.queries)).collect());
    show("  answers", all.iter().map(|look_up| f64::from(look_up.report.answers)).collect());
}

fn show(what: &str, mut numbers: Vec<f64>) {
    if numbers.is_empty() {
        return;
    }
    numbers.sort_by(f64::total_cmp);
    let at = |share: f64| numbers[((numbers.len() - 1) as f64 * share).round() as usize];
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    println!(
        "{what}: median {:.3}, p90 {:.3}, p99 {:.3}, most {:.3}, least {:.3}, mean {mean:.3}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        at(0.0)
    );
}

/// Nodes come and go, and some that stay are watched.
fn day(parameters: &Parameters) {
    let mut world = parameters.world();
    for node in 0..20 {
        world.nodes[node].stays = true;
    }
    world.churn(Duration::from_secs_f64(parameters.get("stay-minutes") * 60.0));
    let sent = |world: &DhtWorld| -> Vec<f64> {
        (0..20).map(|node| world.nodes[node].node.stats().bytes_out as f64).collect()
    };
    let mut before = sent(&world);
    for hour in 1..=parameters.get("hours") as u32 {
        world.run_for(Duration::from_secs(3_600));
        println!("hour {hour}");
        tables(&mut world);
        let now = sent(&world);
        let rates = now.iter().zip(&before).map(|(now, before)| (now - before) / 3_600.0);
        show("  bytes a second out", rates.collect());
        before = now;
        if hour % 6 == 0 {
            let announce = Announce { port: Some(1_000), is_seed: false };
            world.announce(1, torrent(hour), announce);
            let found =
                (2..20).filter(|node| !world.look_up(*node, torrent(hour)).peers.is_empty());
            println!("  look-ups that found peers: {} of 18", found.count());
        }
    }
}

fn tables(world: &mut DhtWorld) {
    let health: Vec<_> = (0..20).map(|node| world.table(node)).collect();
    show("  tables, full", health.iter().map(|table| table.full).collect());
    show("  tables, fresh", health.iter().map(|table| table.fresh).collect());
    let nodes = (0..20).map(|node| world.nodes[node].node.nodes().count() as f64);
    show("  tables, nodes", nodes.collect());
}
