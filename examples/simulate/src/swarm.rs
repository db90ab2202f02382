//! A swarm of the options, run to its end.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tinytorrent_examples::{Failure, Output, format_size, new_file};
use tinytorrent_sim::{Behaviour, Node, Tape, World, hashes, peer_id, scramble};
use tinytorrent_swarm::SwarmConfig;
use tinytorrent_types::Geometry;

use crate::Options;
use crate::plot;
use crate::story::Story;

/// Virtual time between two looks at the pieces of all.
const SLICE: Duration = Duration::from_millis(100);

/// Other peers that a tracker tells a new one of.
const TOLD: usize = 50;

/// Addresses of a world.
const MOST: usize = 60_000;

/// A world, and the roles of its nodes.
pub(crate) struct Swarm {
    pub(crate) world: World,
    pub(crate) geometry: Geometry,
    pub(crate) peers: Range<Node>,
    pub(crate) seeds: Range<Node>,
    pub(crate) hostile: Range<Node>,
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let out = options.common.output();
    let tape = Tape::default();
    // What cannot be written should be known before long work.
    let record = options.record.as_deref().map(|path| new_file(path, options.force));
    let record = record.transpose()?;
    let plot = options.plot.as_deref().map(|path| new_file(path, options.force)).transpose()?;
    let mut swarm = Swarm::new(options, record.is_some().then_some(&tape))?;
    swarm.tell(&out);
    let mut story = Story::new(&swarm);
    let end = swarm.world.start + options.limit();
    while swarm.world.now < end && !swarm.are_peers_finished() {
        let slice = SLICE.min(end.duration_since(swarm.world.now));
        swarm.world.run(slice, |_| false);
        story.look(&mut swarm, &out);
        out.check()?;
    }
    story.sum_up(&mut swarm, &out);
    if let Some(file) = plot {
        let drawn = plot::draw(&story, &swarm)?;
        write(file, drawn.as_bytes(), options.plot.as_deref())?;
    }
    let (complete, count, elapsed) =
        (story.complete(), swarm.peers.len(), swarm.world.elapsed().as_secs_f64());
    // The recording is whole once its engine is gone.
    drop(swarm);
    if let Some(file) = record {
        write(file, &tape.bytes(), options.record.as_deref())?;
    }
    if complete < count {
        let told = format!("{complete} of {count} peers are complete after {elapsed:.1} s");
        return Err(Failure::CouldNot(told));
    }
    out.event(&json!({ "event": "finished", "complete": complete, "seconds": elapsed }));
    Ok(())
}

fn write(
    mut file: impl Write,
    bytes: &[u8],
    path: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let written: io::Result<()> = file.write_all(bytes).and_then(|()| file.flush());
    let path = path.unwrap_or("the file".as_ref()).display();
    written.map_err(|error| Failure::could_not(format!("cannot write {path}"), &error))
}

impl Swarm {
    fn new(options: &Options, tape: Option<&Tape>) -> Result<Self, Failure> {
        let geometry = geometry(options)?;
        let [peers, seeds, hostile] =
            [options.peers, options.seeds, options.hostile].map(usize::from);
        let count = peers + seeds + hostile;
        if count > MOST {
            return Err(bad(format!("{count} peers are too many: {MOST} have addresses")));
        }
        let mut random = StdRng::seed_from_u64(options.seed);
        let mut world = World::new();
        world.latency = Duration::from_millis(options.latency.into());
        world.loss = options.loss / 100.0;
        world.set_chance(random.random());
        world.uplink = options.uplink.max(1);
        // The tests look at every one.
        world.check_every = 0;
        if let Some(tape) = tape {
            world.record(0, tape.clone());
        }
        for node in 0..count {
            let have = if node < peers { "none" } else { "all" };
            let seed = random.random();
            world.add(geometry.clone(), have, |config| {
                *config = SwarmConfig::new(hashes(), peer_id(node), seed);
                config.listen_port(6881).sha1(scramble);
            });
        }
        let hostile = peers + seeds..count;
        for node in hostile.clone() {
            let attack = Behaviour::ATTACKS.choose(&mut random);
            world.nodes[node].behaviour = attack.copied().unwrap_or(Behaviour::Stalls);
        }
        let mut all: Vec<Node> = (0..count).collect();
        for node in 0..count {
            let (told, _) = all.partial_shuffle(&mut random, TOLD.min(count));
            let told: Vec<_> = told.iter().copied().filter(|other| *other != node).collect();
            world.introduce(node, &told);
        }
        Ok(Self { world, geometry, peers: 0..peers, seeds: peers..peers + seeds, hostile })
    }

    fn are_peers_finished(&self) -> bool {
        self.peers.clone().all(|node| self.world.nodes[node].swarm.is_finished())
    }

    fn tell(&self, out: &Output) {
        let attacks: Vec<_> = self
            .hostile
            .clone()
            .map(|node| json!({ "node": node, "behaviour": format!("{:?}", self.world.nodes[node].behaviour) }))
            .collect();
        out.event(&json!({
            "event": "swarm",
            "peers": self.peers.len(),
            "seeds": self.seeds.len(),
            "hostile": attacks,
            "pieces": self.geometry.piece_count(),
            "bytes": self.geometry.total_length(),
        }));
        out.say(format!(
            "peers: {}, seeds: {}, hostile: {}; {} in {} pieces",
            self.peers.len(),
            self.seeds.len(),
            self.hostile.len(),
            format_size(self.geometry.total_length()),
            self.geometry.piece_count(),
        ));
    }
}

fn geometry(options: &Options) -> Result<Geometry, Failure> {
    let length = u32::try_from(options.piece_length).ok();
    let geometry = length.and_then(|length| Geometry::new(options.size, length).ok());
    // The engines have memory for each piece.
    let geometry = geometry.filter(|geometry| (1..=1 << 20).contains(&geometry.piece_count()));
    geometry.ok_or_else(|| {
        bad("--size and --piece-length make no content of 1 to 1,048,576 pieces".to_owned())
    })
}

fn bad(words: String) -> Failure {
    Failure::InvalidInput(words)
}
