//! The programs that a test needs, and the words about one that is missing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::runner::leave_out;

/// Python of the system: python3-libtorrent is a package of it.
pub const PYTHON: &str = "/usr/bin/python3";

/// WebTorrent as a library; pinned, so that a new release breaks nothing here. `.ci/run` has it too.
const WEBTORRENT: &str = "webtorrent@1.9.7";

/// Something that must be on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    Aria2,
    /// The browser, or its variant without a display.
    Chromium,
    Curl,
    /// A file system of its own in a mount namespace.
    #[allow(dead_code, reason = "only the suite of faults uses it")]
    Disk,
    /// A SOCKS5 proxy that relays datagrams.
    Dante,
    Imdl,
    Lftp,
    Libtorrent,
    Lighttpd,
    /// A gateway, with the program that lists its rules.
    Miniupnpd,
    Mktorrent,
    /// A network without a way out, which not every container lets a test make.
    Namespace,
    Nginx,
    Opentracker,
    Python,
    Qbittorrent,
    Rtorrent,
    Transmission,
    /// A device through which a program is the network of others, in a namespace.
    Tunnel,
    /// From npm, in the folder that `TINYTORRENT_NPM` names.
    Webtorrent,
    /// One of the example programs, built beside the test.
    Example(&'static str),
    /// Two network namespaces with a cable between them.
    Hosts,
    /// A compiler of C, for what is loaded before or stands behind a program.
    #[allow(dead_code, reason = "only the suite of faults uses it")]
    Cc,
    /// A kernel that asks another program before a call.
    #[allow(dead_code, reason = "only the suite of faults uses it")]
    Supervision,
    /// A run that may take minutes.
    #[allow(dead_code, reason = "only the suite of faults uses it")]
    Time,
}

impl Need {
    /// All that is installed where nothing may be left out.
    pub const REQUIRED: [Self; 15] = [
        Need::Aria2,
        Need::Chromium,
        Need::Curl,
        Need::Dante,
        Need::Lftp,
        Need::Libtorrent,
        Need::Lighttpd,
        Need::Mktorrent,
        Need::Nginx,
        Need::Opentracker,
        Need::Python,
        Need::Qbittorrent,
        Need::Rtorrent,
        Need::Transmission,
        Need::Webtorrent,
    ];

    pub fn is_met(self) -> bool {
        static HOSTS: OnceLock<bool> = OnceLock::new();
        static LIBTORRENT: OnceLock<bool> = OnceLock::new();
        static PYTHON_RUNS: OnceLock<bool> = OnceLock::new();
        match self {
            Need::Aria2 => on_path("aria2c").is_some(),
            Need::Chromium => chromium().is_some(),
            Need::Curl => on_path("curl").is_some(),
            Need::Dante => on_path("danted").is_some(),
            Need::Disk => mounts()
                .args(["mount", "-t", "tmpfs", "none", "/mnt"])
                .status()
                .is_ok_and(|status| status.success()),
            Need::Hosts => *HOSTS.get_or_init(super::hosts::can_be_made),
            Need::Imdl => on_path("imdl").is_some(),
            Need::Lftp => on_path("lftp").is_some(),
            Need::Libtorrent => *LIBTORRENT.get_or_init(|| python_runs("import libtorrent")),
            Need::Miniupnpd => on_path("miniupnpd").is_some() && on_path("nft").is_some(),
            // Debian has them where only root looks.
            Need::Lighttpd => Path::new("/usr/sbin/lighttpd").exists(),
            Need::Nginx => Path::new("/usr/sbin/nginx").exists(),
            Need::Mktorrent => on_path("mktorrent").is_some(),
            Need::Namespace => {
                namespace().arg("true").status().is_ok_and(|status| status.success())
            }
            Need::Opentracker => on_path("opentracker").is_some(),
            Need::Python => *PYTHON_RUNS.get_or_init(|| python_runs("import asyncio")),
            Need::Qbittorrent => on_path("qbittorrent-nox").is_some(),
            Need::Rtorrent => on_path("rtorrent").is_some(),
            Need::Transmission => on_path("transmission-daemon").is_some(),
            Need::Tunnel => {
                let open = "open('/dev/net/tun', 'rb+', 0)";
                let opened = namespace().args([PYTHON, "-c", open]).status();
                opened.is_ok_and(|status| status.success())
            }
            Need::Time => std::env::var("TINYTORRENT_FAULTS").is_ok_and(|value| value == "full"),
            Need::Cc => on_path("cc").is_some(),
            Need::Supervision => {
                let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
                actions.is_ok_and(|actions| actions.contains("user_notif"))
            }
            Need::Webtorrent => node_module("webtorrent").is_some(),
            Need::Example(name) => example(name).exists(),
        }
    }

    /// `true` if a test may be left out although all are required, as no package of the system has it.
    fn is_optional(self) -> bool {
        match self {
            Need::Disk
            | Need::Supervision
            | Need::Time
            | Need::Hosts
            | Need::Imdl
            | Need::Miniupnpd
            | Need::Namespace
            | Need::Tunnel => true,
            Need::Webtorrent => std::env::var_os("TINYTORRENT_NPM").is_none(),
            _ => false,
        }
    }

    /// The name that it is installed or built by.
    pub fn package(self) -> &'static str {
        match self {
            Need::Aria2 => "aria2",
            Need::Chromium => "chromium-headless-shell",
            Need::Curl => "curl",
            Need::Dante => "dante-server",
            Need::Hosts => "iproute2",
            Need::Imdl => "imdl",
            Need::Lftp => "lftp",
            Need::Libtorrent => "python3-libtorrent",
            Need::Miniupnpd => "miniupnpd-nftables nftables",
            Need::Lighttpd => "lighttpd",
            Need::Mktorrent => "mktorrent",
            Need::Nginx => "nginx-light",
            Need::Disk | Need::Namespace | Need::Tunnel => "util-linux",
            Need::Opentracker => "opentracker",
            Need::Python => "python3",
            Need::Qbittorrent => "qbittorrent-nox",
            Need::Rtorrent => "rtorrent",
            Need::Transmission => "transmission-daemon",
            Need::Webtorrent => WEBTORRENT,
            Need::Cc => "gcc",
            Need::Supervision => "linux",
            Need::Time => "time",
            Need::Example(name) => name,
        }
    }

    /// The command that brings it.
    pub fn remedy(self) -> String {
        let package = self.package();
        match self {
            Need::Imdl => format!("cargo install {package}"),
            Need::Hosts => "run the tests as root, with iproute2".into(),
            Need::Time => "TINYTORRENT_FAULTS=full".into(),
            Need::Supervision => "run the tests on Linux 5.5 or later, with seccomp".into(),
            Need::Disk | Need::Namespace => {
                "run the tests as root, or `sysctl -w kernel.unprivileged_userns_clone=1`".into()
            }
            Need::Tunnel => "run the tests as root, with `modprobe tun`".into(),
            Need::Webtorrent => format!(
                "npm install --ignore-scripts --prefix target/npm {package} && \
                 export TINYTORRENT_NPM=$PWD/target/npm"
            ),
            Need::Example(name) => {
                format!("cargo build -p tinytorrent-examples --example {name}")
            }
            _ => format!("apt-get install {package}"),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Example(name) => write!(f, "the example `{name}` is not built"),
            Need::Time => f.write_str("it takes minutes"),
            Need::Supervision => f.write_str("no program can be asked before system calls here"),
            Need::Hosts => {
                f.write_str("no two network namespaces with veth devices can be made here")
            }
            Need::Disk => f.write_str("no file system can be mounted in a namespace here"),
            Need::Namespace => f.write_str("no network namespace can be made here"),
            Need::Tunnel => f.write_str("no tunnel can be made in a network namespace here"),
            _ => write!(f, "{} is not installed", self.package()),
        }
    }
}

/// Leaves the test out if something that it needs is missing.
///
/// # Panics
///
/// When something is missing and `TINYTORRENT_INTEROP=require` is set.
pub fn need_all(needs: &[Need]) {
    let Some(missing) = needs.iter().find(|need| !need.is_met()) else { return };
    let required = std::env::var("TINYTORRENT_INTEROP").is_ok_and(|value| value == "require");
    assert!(!required || missing.is_optional(), "{missing}: {}", missing.remedy());
    leave_out(*missing);
}

/// The folder of a package that npm has installed where `TINYTORRENT_NPM` says.
pub fn node_module(name: &str) -> Option<PathBuf> {
    on_path("node")?;
    let folder = PathBuf::from(std::env::var_os("TINYTORRENT_NPM")?);
    Some(folder.join("node_modules").join(name)).filter(|module| module.is_dir())
}

/// Returns the path of a headless browser.
pub fn chromium() -> Option<PathBuf> {
    ["chromium-headless-shell", "chromium"].into_iter().find_map(on_path)
}

/// Returns the path of a program, as the shell would find it.
pub fn on_path(program: &str) -> Option<PathBuf> {
    // Debian keeps opentracker and others out of a user's PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The built file of an example, of the same profile as this test.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a file lies in a folder");
    deps.with_file_name("examples").join(name)
}

/// A program in a network that has nothing but a loopback device that is down, with whatever it starts.
pub fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--pid", "--fork", "--kill-child"]);
    command
}

/// A program in a namespace in which it may mount file systems.
pub fn mounts() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount"]);
    command
}

fn python_runs(code: &str) -> bool {
    let mut python = Command::new(PYTHON);
    python.args(["-c", code]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

/// Leaves the test out if something that it needs is missing.
macro_rules! need {
    ($($need:expr),+ $(,)?) => {
        $crate::support::need::need_all(&[$($need),+])
    };
}
pub(crate) use need;
