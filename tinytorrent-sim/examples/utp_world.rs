//! Flows of uTP on a link in virtual time, for the figures of `docs/performance/utp.md`.
//!
//!     cargo run --release -p tinytorrent-sim --example utp_world -- alone
//!     cargo run --release -p tinytorrent-sim --example utp_world -- beside-cubic svg=beside-cubic.svg
//!
//! Parameters are given as `NAME=NUMBER`; those in use are printed first. With `svg=FILE` windows, the queue and rates
//! over time are drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use plotters::prelude::*;
use tinytorrent_sim::utp::{Link, World};

type Failed = Box<dyn std::error::Error>;

/// More than is ever written.
const ENDLESS: u64 = u64::MAX / 2;

/// Points of a plot.
const POINTS: u32 = 300;

fn main() -> Result<(), Failed> {
    let mut words = std::env::args().skip(1);
    let Some(scene) = words.next().as_deref().and_then(Scene::named) else { return Err(usage()) };
    let mut parameters = Parameters::of(scene);
    let mut svg = None;
    for word in words {
        match word.split_once('=') {
            Some(("svg", file)) => svg = Some(file.to_owned()),
            Some((name, number)) => {
                *parameters.0.get_mut(name).ok_or_else(usage)? = number.parse()?;
            }
            None => return Err(usage()),
        }
    }
    for (name, number) in &parameters.0 {
        print!("{name}={number} ");
    }
    println!();
    let samples = scene.run(&parameters);
    if let Some(file) = svg {
        draw(&file, &samples)?;
    }
    Ok(())
}

fn usage() -> Failed {
    let names: Vec<_> = Parameters::of(Scene::Alone).0.into_keys().collect();
    let scenes = "alone|beside-cubic|two|late|lost";
    format!("usage: utp_world {scenes} [NAME=NUMBER]... [svg=FILE]\nnames: {}", names.join(", "))
        .into()
}

#[derive(Clone, Copy)]
enum Scene {
    Alone,
    /// A flow of TCP CUBIC begins later.
    BesideCubic,
    /// Another flow of uTP begins later.
    Two,
    /// Packets arrive later than others.
    Late,
    /// Packets are lost.
    Lost,
}

impl Scene {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "alone" => Self::Alone,
            "beside-cubic" => Self::BesideCubic,
            "two" => Self::Two,
            "late" => Self::Late,
            "lost" => Self::Lost,
            _ => return None,
        })
    }

    fn run(self, parameters: &Parameters) -> Samples {
        let mut world = parameters.world();
        let mut samples = Samples::default();
        let end = Duration::from_secs_f64(parameters.get("seconds"));
        let later = Duration::from_secs_f64(parameters.get("later"));
        world.connect(0, ENDLESS);
        let mut has_second = false;
        for point in 1..=POINTS {
            if !has_second && world.at >= later {
                has_second = true;
                match self {
                    Self::BesideCubic => _ = world.add_neighbour(0),
                    Self::Two => _ = world.connect(0, ENDLESS),
                    Self::Alone | Self::Late | Self::Lost => {}
                }
            }
            let next = end * point / POINTS;
            world.run(next.saturating_sub(world.at));
            samples.take(&world);
        }
        samples.report(&world);
        samples
    }
}

struct Parameters(BTreeMap<&'static str, f64>);

impl Parameters {
    fn of(scene: Scene) -> Self {
        let is_fast = matches!(scene, Scene::Late | Scene::Lost);
        Self(BTreeMap::from([
            ("seed", 1.0),
            ("megabits", if is_fast { 100.0 } else { 20.0 }),
            ("round-trip-ms", 50.0),
            ("queue-ms", 200.0),
            ("late", if matches!(scene, Scene::Late) { 0.01 } else { 0.0 }),
            ("late-ms", 5.0),
            ("lost", if matches!(scene, Scene::Lost) { 0.01 } else { 0.0 }),
            ("drift-ppm", 0.0),
            ("later", 10.0),
            ("seconds", if is_fast { 30.0 } else { 90.0 }),
        ]))
    }

    fn get(&self, name: &str) -> f64 {
        self.0[name]
    }

    fn world(&self) -> World {
        let milliseconds = |name| Duration::from_secs_f64(self.get(name) / 1e3);
        let link = |megabits| Link {
            queue: milliseconds("queue-ms"),
            ..Link::new(megabits, milliseconds("round-trip-ms") / 2)
        };
        let there = Link {
            late: self.get("late"),
            late_by: milliseconds("late-ms"),
            lost: self.get("lost"),
            ..link(self.get("megabits"))
        };
        let back = link(10.0 * self.get("megabits"));
        let mut world = World::with_configs([there, back], self.get("seed") as u8, |config| {
            config.send_buffer(32 << 20).receive_buffer(32 << 20);
        });
        world.hosts[1].clock.drift = self.get("drift-ppm") / 1e6;
        world
    }
}

/// Values over time.
#[derive(Default)]
struct Samples {
    /// Seconds.
    at: Vec<f64>,
    /// Milliseconds in the queue.
    queue: Vec<f64>,
    flows: Vec<Flow>,
}

/// A flow, from the sample on at which it begins.
struct Flow {
    name: String,
    begins: usize,
    delivered: u64,
    /// KiB that may be in flight, and megabits a second since the sample before.
    window: Vec<f64>,
    rate: Vec<f64>,
}

impl Samples {
    fn take(&mut self, world: &World) {
        let before = self.at.last().copied().unwrap_or(0.0);
        let now = world.at.as_secs_f64();
        self.at.push(now);
        self.queue.push(world.traffic[0].queued(world.at).as_secs_f64() * 1e3);
        let utp = (0..world.hosts[0].streams.len()).map(|stream| {
            let delivered = world.hosts[1].streams.get(stream).map_or(0, |stream| stream.read);
            (format!("uTP {}", stream + 1), world.hosts[0].stats(stream).window, delivered)
        });
        let tcp = world.neighbours.iter();
        let tcp = tcp.map(|flow| ("TCP CUBIC".to_owned(), flow.window(), flow.delivered()));
        for (n, (name, window, delivered)) in utp.chain(tcp).enumerate() {
            if self.flows.len() <= n {
                let begins = self.at.len() - 1;
                let (window, rate) = (Vec::new(), Vec::new());
                self.flows.push(Flow { name, begins, delivered: 0, window, rate });
            }
            let flow = &mut self.flows[n];
            let bytes = delivered - flow.delivered;
            flow.delivered = delivered;
            flow.window.push(window as f64 / 1024.0);
            flow.rate.push(bytes as f64 / 125_000.0 / (now - before));
        }
    }

    /// Prints the rates and the queue of the second half, and what was sent again.
    fn report(&self, world: &World) {
        let half = self.at.len() / 2;
        let rates: Vec<f64> = self
            .flows
            .iter()
            .map(|flow| mean(&flow.rate[half.saturating_sub(flow.begins)..]))
            .collect();
        let sum: f64 = rates.iter().sum();
        for (flow, rate) in self.flows.iter().zip(&rates) {
            println!("{}: {rate:.2} Mbit/s of payload, {:.1} %", flow.name, rate / sum * 100.0);
        }
        let wait = |share| world.traffic[0].waits.quantile(share).as_secs_f64() * 1e3;
        println!(
            "queue from the start: median {:.0} ms, p99 {:.0} ms, most {:.0} ms",
            wait(0.5),
            wait(0.99),
            wait(1.0)
        );
        for stream in 0..world.hosts[0].streams.len() {
            let stats = world.hosts[0].stats(stream);
            println!(
                "uTP {}: {} packets, {} sent again, {} timeouts",
                stream + 1,
                stats.packets_sent,
                stats.packets_resent,
                stats.timeouts
            );
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// A line of a plot, from one of the samples on.
struct Line<'a> {
    name: &'a str,
    begins: usize,
    values: &'a [f64],
}

/// Draws a panel each for windows, the queue and rates.
fn draw(file: &str, samples: &Samples) -> Result<(), Failed> {
    let root = SVGBackend::new(file, (900, 720)).into_drawing_area();
    root.fill(&WHITE)?;
    let lines = |values: fn(&Flow) -> &[f64]| -> Vec<_> {
        let flows = samples.flows.iter();
        flows
            .map(|flow| Line { name: &flow.name, begins: flow.begins, values: values(flow) })
            .collect()
    };
    let panels = [
        ("window, KiB", lines(|flow| &flow.window)),
        ("queue, ms", vec![Line { name: "queue", begins: 0, values: &samples.queue }]),
        ("payload, Mbit/s", lines(|flow| &flow.rate)),
    ];
    for (area, (title, lines)) in root.split_evenly((3, 1)).iter().zip(&panels) {
        panel(area, title, &samples.at, lines)?;
    }
    root.present()?;
    Ok(())
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    at: &[f64],
    lines: &[Line<'_>],
) -> Result<(), Failed> {
    let most = lines.iter().flat_map(|line| line.values).copied().fold(1.0, f64::max);
    let end = at.last().copied().unwrap_or(1.0);
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .caption(title, ("sans-serif", 16))
        .x_label_area_size(24)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, 0.0..most * 1.05)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_labels(10).y_labels(5).draw()?;
    for (line, color) in lines.iter().zip([BLUE, RED]) {
        let points = at[line.begins..].iter().copied().zip(line.values.iter().copied());
        chart
            .draw_series(LineSeries::new(points, color))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    if lines.len() > 1 {
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
    }
    Ok(())
}
