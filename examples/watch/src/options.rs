use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tinytorrent_client::{PeerAddress, TorrentOptions};
use tinytorrent_examples::{Common, Names, NetworkOptions, apply_network};

/// Download and seed every torrent that is in a folder or comes into it: .torrent files, and .magnet files
/// with links. A torrent whose files are taken out is dropped; its content stays
#[derive(Debug, Clone, Parser)]
#[command(name = "watch", version)]
pub struct Options {
    /// The folder to watch
    pub folder: PathBuf,

    /// Folder for the content
    #[arg(long, value_name = "DIR")]
    pub output: PathBuf,

    /// Folder for the session, which survives kills and restarts [default: .tinytorrent-watch in the output]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// Seed until so many bytes are sent for each byte of content, such as 1.5
    #[arg(long, value_name = "R", value_parser = parse_ratio)]
    pub ratio: Option<f64>,

    /// Seed so long
    #[arg(long, value_name = "MINUTES", value_parser = parse_minutes)]
    pub seed_time: Option<Duration>,

    /// Torrents that download at a time; others wait for their turn
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub max_active: Option<usize>,

    /// Serve a status page there, JSON at /status.json, and Prometheus metrics at /metrics; a port alone is one
    /// of loopback
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub http: Option<SocketAddr>,

    /// A peer to connect to at once, for every torrent (repeatable)
    #[arg(long = "peer", value_name = "HOST:PORT")]
    pub peers: Vec<PeerAddress>,

    /// Names on disk; content that is there under the torrent's own names is used in any case
    #[arg(long, value_enum, default_value_t, value_name = "NAMES")]
    pub names: Names,

    /// Fetch the pieces in order
    #[arg(long)]
    pub sequential: bool,

    /// Ignore resume data, and keep none: all contents are checked at each start
    #[arg(long)]
    pub no_resume: bool,

    /// Print lines on a terminal, too
    #[arg(long)]
    pub plain: bool,

    /// The options of all programs that talk to peers.
    #[command(flatten)]
    pub network: NetworkOptions,

    /// The options of all programs.
    #[command(flatten)]
    pub common: Common,
}

impl Options {
    /// The folder of the kept session.
    pub fn state_folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| self.output.join(".tinytorrent-watch"))
    }

    /// The settings of a torrent that is added.
    pub fn torrent(&self) -> TorrentOptions {
        let mut torrent = TorrentOptions::new(&self.output);
        torrent.sequential(self.sequential).resume(!self.no_resume).names(self.names.into());
        for peer in &self.peers {
            torrent.peer(peer.clone());
        }
        apply_network(&mut torrent, &self.network);
        // The limits are those of all torrents together.
        torrent.download_limit(None).upload_limit(None);
        torrent.seed_ratio(self.ratio).seed_time(self.seed_time);
        torrent
    }
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = text.parse().map_err(|_| "write a number, such as 1.5".to_owned())?;
    let is_ratio = ratio.is_finite() && ratio >= 0.0;
    if is_ratio { Ok(ratio) } else { Err("it must not be negative".into()) }
}

fn parse_minutes(text: &str) -> Result<Duration, String> {
    let minutes = parse_ratio(text)?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| "that is too long".into())
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a number from 1".into()),
        Ok(count) => Ok(count),
    }
}

/// `ADDR:PORT`, or a port alone, which is served at loopback.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').or(text.strip_prefix("localhost:")).unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "write ADDR:PORT, as in 127.0.0.1:9091, or a port".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["watch", "in", "--output", "out"], words].concat())
    }

    #[test]
    fn a_port_alone_is_served_at_loopback() {
        for (text, address) in [
            ("9091", "127.0.0.1:9091"),
            (":0", "127.0.0.1:0"),
            ("localhost:7", "127.0.0.1:7"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            let parsed = parse(&["--http", text]).unwrap();
            assert_eq!(parsed.http, Some(address.parse().unwrap()), "{text}");
        }
        for wrong in ["", "host:80", "99999", "127.0.0.1"] {
            assert!(parse(&["--http", wrong]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn goals_take_fractions_and_nothing_below_zero() {
        let options = parse(&["--ratio", "1.5", "--seed-time", "0.5"]).unwrap();
        assert_eq!((options.ratio, options.seed_time), (Some(1.5), Some(Duration::from_secs(30))));
        for wrong in
            ["--ratio=-1", "--ratio=inf", "--ratio=x", "--seed-time=1e30", "--max-active=0"]
        {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_session_is_in_the_output_unless_told_otherwise() {
        let state = |words: &[&str]| parse(words).unwrap().state_folder();
        assert_eq!(state(&[]), PathBuf::from("out/.tinytorrent-watch"));
        assert_eq!(state(&["--state", "x"]), PathBuf::from("x"));
    }
}
