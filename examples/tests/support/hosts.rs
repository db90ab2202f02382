//! Two hosts with a cable between them: network namespaces with a pair of devices.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A host, until this is dropped.
pub struct Host {
    name: String,
}

impl Host {
    /// Two hosts that have each other for neighbours, at these addresses with the lengths of their prefixes.
    pub fn pair(first: &[&str], second: &[&str]) -> (Self, Self) {
        let hosts = [Self::new(), Self::new()];
        let [one, two] = &hosts;
        let pair = ["link", "add", "eth0", "netns", &one.name, "type", "veth"];
        ip(&[&pair[..], &["peer", "name", "eth0", "netns", &two.name]].concat());
        for (host, addresses) in hosts.iter().zip([first, second]) {
            // Otherwise an address of IPv6 takes a second until it is known to be nobody else's.
            host.run("sysctl", &["-qw", "net.ipv6.conf.eth0.accept_dad=0"]);
            for address in addresses {
                host.run("ip", &["address", "add", address, "dev", "eth0"]);
            }
            host.run("ip", &["link", "set", "eth0", "up"]);
            host.run("ip", &["link", "set", "lo", "up"]);
            // Some programs join groups where the way to all others goes.
            host.run("ip", &["route", "add", "default", "dev", "eth0"]);
        }
        let [one, two] = hosts;
        (one, two)
    }

    /// A host with a cable to a new device of a router.
    pub fn behind(router: &Self, device: &str) -> Self {
        let host = Self::new();
        let cable = ["link", "add", device, "netns", &router.name, "type", "veth"];
        ip(&[&cable[..], &["peer", "name", "eth0", "netns", &host.name]].concat());
        router.run("ip", &["link", "set", device, "up"]);
        host.run("ip", &["link", "set", "eth0", "up"]);
        host.run("ip", &["link", "set", "lo", "up"]);
        host
    }

    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("tinytorrent-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        Self { name }
    }

    /// The command as one that runs on this host.
    pub fn command(&self, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.name]).arg(command.get_program());
        there.args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            there.current_dir(folder);
        }
        for (key, value) in command.get_envs() {
            there.env(key, value.unwrap_or_default());
        }
        there
    }

    /// Runs a program there, which has to succeed.
    pub fn run(&self, program: &str, words: &[&str]) {
        let mut command = Command::new(program);
        command.args(words);
        let status = self.command(&command).status();
        assert!(status.is_ok_and(|status| status.success()), "{program} {words:?}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// True if hosts can be made here.
pub fn can_be_made() -> bool {
    let name = format!("tinytorrent-{}-trial", std::process::id());
    let run = |words: &[&str]| {
        let mut command = Command::new("ip");
        command.args(words).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let is_made = run(&["netns", "add", &name])
        && run(&["-n", &name, "link", "add", "a0", "type", "veth", "peer", "name", "b0"]);
    run(&["netns", "del", &name]);
    is_made
}

fn ip(words: &[&str]) {
    let status = Command::new("ip").args(words).status();
    assert!(status.is_ok_and(|status| status.success()), "ip {words:?}");
}
