//! The figures of the program: of the kernel, and of itself.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::law::{is_flat, quarters};

const MIB: f64 = (1 << 20) as f64;

/// Metrics that are sizes of tables, buffers and queues, and the growth that is none.
const TABLES: [(&str, f64); 13] = [
    ("tinytorrent_torrents", 2.0),
    ("tinytorrent_peers", 20.0),
    ("tinytorrent_connections", 20.0),
    ("tinytorrent_open_files", 20.0),
    ("tinytorrent_memory_bytes", 2.0 * MIB),
    ("tinytorrent_torrent_known_peers", 50.0),
    ("tinytorrent_disk_unwritten_bytes", MIB),
    ("tinytorrent_disk_held_bytes", MIB),
    ("tinytorrent_disk_read_memory_bytes", 2.0 * MIB),
    ("tinytorrent_disk_active_torrents", 10.0),
    ("tinytorrent_disk_waiting_reads", 100.0),
    ("tinytorrent_utp_connections", 20.0),
    ("tinytorrent_utp_queue_bytes", MIB),
];

/// Figures of the kernel, and the growth that is none.
const SYSTEM: [(&str, f64); 3] =
    [("private memory", 4.0 * MIB), ("descriptors", 30.0), ("threads", 4.0)];

/// All samples of each figure so far.
pub struct Series {
    process: u32,
    http: SocketAddr,
    values: BTreeMap<&'static str, Vec<f64>>,
}

impl Series {
    pub fn new(process: u32, http: SocketAddr) -> Self {
        Self { process, http, values: BTreeMap::new() }
    }

    /// The present value of one metric, with its labels; 0 as long as there is none.
    pub fn look(&self, name: &str) -> f64 {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("it is a number"))
    }

    /// Adds a sample of each figure.
    pub fn sample(&mut self) {
        let metrics = self.metrics();
        assert!(!metrics.is_empty(), "nobody answers at {}", self.http);
        for (name, _) in TABLES {
            let of_it = metrics.lines().filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                (series.split('{').next() == Some(name)).then(|| value.parse::<f64>().ok())?
            });
            self.values.entry(name).or_default().push(of_it.sum());
        }
        let process = format!("/proc/{}", self.process);
        let count =
            |folder: &str| fs::read_dir(format!("{process}/{folder}")).unwrap().count() as f64;
        let rollup = fs::read_to_string(format!("{process}/smaps_rollup")).unwrap();
        let private = rollup.lines().filter(|line| line.starts_with("Private_"));
        let kib =
            private.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<f64>().ok());
        let found = [kib.sum::<f64>() * 1024.0, count("fd"), count("task")];
        for ((name, _), value) in SYSTEM.into_iter().zip(found) {
            self.values.entry(name).or_default().push(value);
        }
    }

    /// Panics with those that grow.
    pub fn assert_flat(&self) {
        let all = SYSTEM.into_iter().chain(TABLES);
        let grows = |(name, slack): &(&str, f64)| !is_flat(&self.values[name], *slack);
        let growing: Vec<_> = all.filter(grows).map(|(name, _)| name).collect();
        assert!(growing.is_empty(), "{growing:?} grow:\n{self}");
        // Otherwise a metric that has another name now would pass for ever.
        let of_some = ["tinytorrent_connections", "tinytorrent_open_files", "tinytorrent_torrents"];
        for name in of_some {
            assert!(self.values[name].iter().any(|value| *value > 0.0), "{name} is always 0");
        }
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        let Ok(mut stream) = TcpStream::connect(self.http) else { return text };
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let read =
            stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text));
        if read.is_ok() { text } else { String::new() }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "figure: median of the second quarter, of the last one, most")?;
        for (name, values) in &self.values {
            let ((before, after), most) =
                (quarters(values), values.iter().copied().fold(0.0, f64::max));
            writeln!(f, "{name}: {before:.0}, {after:.0}, {most:.0}")?;
        }
        Ok(())
    }
}
