use clap::Args;
use tinytorrent_net::{Binding, Network, NetworkConfig, Proxy};

/// The options of the programs that open sockets.
#[derive(Debug, Clone, Args)]
pub struct WayOptions {
    /// Leave by this address, one of each family with a comma between, or this device, or not at all
    #[arg(long, value_name = "ADDR|DEVICE")]
    pub bind: Option<Binding>,

    /// Leave by a proxy: `socks5://[USER:PASSWORD@]HOST:PORT`, or `http://` for TCP alone
    #[arg(long, value_name = "URL")]
    pub proxy: Option<Proxy>,
}

impl WayOptions {
    /// The network that these options mean.
    pub fn network(&self) -> Network {
        let mut config = NetworkConfig::default();
        config.bind(self.bind.clone().unwrap_or_default()).proxy(self.proxy.clone());
        Network::new(config)
    }
}
