//! The pieces of all peers over time, as SVG.

use std::error::Error;

use plotters::prelude::*;
use tinytorrent_examples::Failure;

use crate::story::{Peer, Story};
use crate::swarm::Swarm;

/// Peers that have a line each; more are a band.
const LINES: usize = 24;

/// Points of the lines of a band.
const POINTS: usize = 300;

/// Draws the story of a swarm.
pub(crate) fn draw(story: &Story, swarm: &Swarm) -> Result<String, Failure> {
    let mut svg = String::new();
    try_draw(&mut svg, story, swarm)
        .map_err(|error| Failure::could_not("cannot draw", error.as_ref()))?;
    Ok(svg)
}

fn try_draw(svg: &mut String, story: &Story, swarm: &Swarm) -> Result<(), Box<dyn Error>> {
    let end = swarm.world.elapsed().as_secs_f64().max(0.1);
    let pieces = swarm.geometry.piece_count();
    let root = SVGBackend::with_string(svg, (900, 540)).into_drawing_area();
    root.fill(&WHITE)?;
    let (peers, seeds, hostile) = (swarm.peers.len(), swarm.seeds.len(), swarm.hostile.len());
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .caption(format!("peers: {peers}, seeds: {seeds}, hostile: {hostile}"), ("sans-serif", 18))
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0.0..f64::from(pieces) * 1.04)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("seconds")
        .y_desc("verified pieces")
        .y_label_formatter(&|count| format!("{count:.0}"))
        .draw()?;
    let legend = |color: RGBColor| {
        move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2))
    };
    if peers <= LINES {
        for (at, peer) in story.peers.iter().enumerate() {
            let line = chart.draw_series(LineSeries::new(steps(peer, end), BLUE.mix(0.6)))?;
            if at == 0 {
                line.label("peers").legend(legend(BLUE));
            }
        }
    } else {
        let quantiles: Vec<_> = (0..=POINTS).map(|at| quantiles(story, end, at)).collect();
        let band = |low: usize, high: usize| {
            let up = quantiles.iter().map(move |(at, values)| (*at, values[high]));
            let down = quantiles.iter().rev().map(move |(at, values)| (*at, values[low]));
            up.chain(down).collect::<Vec<_>>()
        };
        for (low, high, shade, words) in
            [(0, 4, 0.15, "all peers"), (1, 3, 0.3, "half of the peers")]
        {
            let color = BLUE.mix(shade);
            chart
                .draw_series([Polygon::new(band(low, high), color.filled())])?
                .label(words)
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 4), (x + 16, y + 4)], color.filled())
                });
        }
        let median = quantiles.iter().map(|(at, values)| (*at, values[2]));
        chart
            .draw_series(LineSeries::new(median, BLUE.stroke_width(2)))?
            .label("median")
            .legend(legend(BLUE));
    }
    if hostile > 0 {
        // All of them claim everything, until the first peer finds out.
        for (at, node) in swarm.hostile.clone().enumerate() {
            let until = story.bans.get(&node).map_or(end, |ban| ban.seconds);
            let height = f64::from(pieces) * (1.0 + 0.03 * (at as f64 + 1.0) / hostile as f64);
            let line = chart
                .draw_series(LineSeries::new([(0.0, height), (until, height)], RED.mix(0.7)))?;
            if at == 0 {
                line.label("hostile, by what they claim").legend(legend(RED));
            }
        }
        let bans = story.bans.values().map(|ban| (ban.seconds, f64::from(ban.pieces)));
        chart
            .draw_series(bans.map(|at| Cross::new(at, 5, RED.stroke_width(2))))?
            .label("banned first")
            .legend(|(x, y)| Cross::new((x + 8, y), 5, RED.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    root.present()?;
    drop(chart);
    Ok(())
}

/// The line of a peer: what it has stays until it has more.
fn steps(peer: &Peer, end: f64) -> Vec<(f64, f64)> {
    let mut line: Vec<(f64, f64)> = Vec::with_capacity(2 * peer.pieces.len() + 1);
    for &(at, count) in &peer.pieces {
        if let Some(&(_, before)) = line.last() {
            line.push((at, before));
        }
        line.push((at, count.into()));
    }
    if let Some(&(_, last)) = line.last() {
        line.push((end, last));
    }
    line
}

/// The least, the quartiles and the most of the pieces that peers have at a point of time.
fn quantiles(story: &Story, end: f64, point: usize) -> (f64, [f64; 5]) {
    let at = end * point as f64 / POINTS as f64;
    let have = |peer: &Peer| {
        let next = peer.pieces.partition_point(|(seconds, _)| *seconds <= at);
        next.checked_sub(1).map_or(0, |last| peer.pieces[last].1)
    };
    let mut counts: Vec<_> = story.peers.iter().map(have).collect();
    counts.sort_unstable();
    let last = counts.len() - 1;
    (at, [0, 1, 2, 3, 4].map(|quarter| f64::from(counts[last * quarter / 4])))
}
