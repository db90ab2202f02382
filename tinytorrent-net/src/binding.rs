use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use socket2::Socket;
use tinytorrent_types::compact::Family;

/// The address or the device by which all sockets leave.
///
/// It is parsed from an address, from one of each family with a comma between, or from the name of a device:
/// `10.8.0.2`, `10.8.0.2,fd00::2`, `tun0`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Binding {
    /// The system chooses for each socket.
    #[default]
    Any,
    /// Sockets have these addresses, and there are none of a family without one. On Linux and Android they are
    /// bound to the device of the address as well, since routes may lead elsewhere; other systems send by their
    /// routes.
    Addresses {
        /// The address of all sockets over IPv4.
        v4: Option<Ipv4Addr>,
        /// The address of all sockets over IPv6.
        v6: Option<Ipv6Addr>,
    },
    /// Sockets are bound to the device of this name (`SO_BINDTODEVICE`), on Linux, Android and Fuchsia. On other
    /// systems none can be opened; there an address has to be given.
    Device(String),
}

impl Binding {
    /// True unless the system chooses.
    pub fn is_set(&self) -> bool {
        *self != Self::Any
    }

    /// The local address of sockets of a family: the unspecified one if the system chooses it.
    ///
    /// # Errors
    /// There is an address of the other family only.
    pub fn local(&self, family: Family) -> io::Result<IpAddr> {
        let bound = match (self, family) {
            (Self::Any | Self::Device(_), Family::V4) => Some(Ipv4Addr::UNSPECIFIED.into()),
            (Self::Any | Self::Device(_), Family::V6) => Some(Ipv6Addr::UNSPECIFIED.into()),
            (Self::Addresses { v4, .. }, Family::V4) => v4.map(IpAddr::from),
            (Self::Addresses { v6, .. }, Family::V6) => v6.map(IpAddr::from),
        };
        bound.ok_or_else(|| {
            let what = "sockets are bound to an address of the other family";
            io::Error::new(io::ErrorKind::AddrNotAvailable, what)
        })
    }

    /// The addresses at which to listen for an address that the user has named: the unspecified one stands for
    /// those of the binding.
    pub fn listening(&self, address: SocketAddr) -> Vec<SocketAddr> {
        let Self::Addresses { v4, v6 } = self else { return vec![address] };
        if !address.ip().is_unspecified() {
            return vec![address];
        }
        // `[::]` stands for both families.
        let v4 = v4.map(IpAddr::from);
        let v6 = v6.map(IpAddr::from).filter(|_| address.is_ipv6());
        v6.into_iter().chain(v4).map(|ip| (ip, address.port()).into()).collect()
    }

    /// The devices that sockets leave by, as the system numbers them; `None` if one of them is not there, and so no
    /// socket can leave. A device that goes away and comes back has another number, and sockets that were bound to
    /// it are of no more use.
    ///
    /// # Errors
    /// The system does not tell its devices.
    pub fn devices(&self) -> io::Result<Option<Vec<u32>>> {
        let all = if_addrs::get_if_addrs()?;
        let index = |is_it: &dyn Fn(&if_addrs::Interface) -> bool| {
            all.iter().find(|device| is_it(device)).map(|device| device.index.unwrap_or(0))
        };
        Ok(match self {
            Self::Any => Some(Vec::new()),
            Self::Device(name) => index(&|device| device.name == *name).map(|index| vec![index]),
            Self::Addresses { v4, v6 } => {
                let both = [v4.map(IpAddr::from), v6.map(IpAddr::from)];
                // Any address of 127.0.0.0/8 is one of loopback, and few of them are listed.
                let own = both.into_iter().flatten().filter(|ip| !ip.is_loopback());
                own.map(|ip| index(&|device| device.ip() == ip)).collect()
            }
        })
    }

    /// Binds a new socket, at a port or at any. The address is that of [`local`](Self::local), or one that the
    /// device has.
    pub(crate) fn apply(&self, socket: &Socket, local: SocketAddr) -> io::Result<()> {
        match self {
            Self::Any => {}
            Self::Device(name) => bind_device(socket, name)?,
            Self::Addresses { .. } => {
                let own = self.local(Family::of(local.ip()))?;
                if own != local.ip() {
                    let what = format!("sockets are bound to {own}");
                    return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, what));
                }
                bind_device_of(socket, own)?;
            }
        }
        socket.bind(&local.into())
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn bind_device(socket: &Socket, name: &str) -> io::Result<()> {
    socket
        .bind_device(Some(name.as_bytes()))
        .map_err(|error| io::Error::new(error.kind(), format!("device {name}: {error}")))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn bind_device(_: &Socket, _: &str) -> io::Result<()> {
    let what = "this system binds no socket to a device; bind to its address instead";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

/// Binds to the device that has the address.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_device_of(socket: &Socket, own: IpAddr) -> io::Result<()> {
    let devices = if_addrs::get_if_addrs()?;
    // An address of the whole host, which stands at the loopback device, leaves by others.
    let device = devices.iter().find(|device| device.ip() == own && !device.is_loopback());
    let Some(device) = device.filter(|device| !device.name.starts_with("lo")) else {
        return Ok(());
    };
    match bind_device(socket, &device.name) {
        // Before Linux 5.7 this takes a privilege, and the address has to suffice.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_device_of(_: &Socket, _: IpAddr) -> io::Result<()> {
    Ok(())
}

impl From<IpAddr> for Binding {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::Addresses { v4: Some(v4), v6: None },
            IpAddr::V6(v6) => Self::Addresses { v4: None, v6: Some(v6) },
        }
    }
}

impl FromStr for Binding {
    type Err = BindingError;

    fn from_str(text: &str) -> Result<Self, BindingError> {
        let error = || BindingError(text.to_owned());
        let Some(addresses) =
            text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<Vec<IpAddr>>>()
        else {
            // `IFNAMSIZ` with the byte that ends a name, and what the kernel takes for one.
            let is_name = (1..16).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/:,".contains(&byte));
            return if is_name { Ok(Self::Device(text.to_owned())) } else { Err(error()) };
        };
        let (mut v4, mut v6) = (None, None);
        for address in addresses {
            let is_second = match address {
                IpAddr::V4(address) => v4.replace(address).is_some(),
                IpAddr::V6(address) => v6.replace(address).is_some(),
            };
            if is_second || address.is_unspecified() {
                return Err(error());
            }
        }
        Ok(Self::Addresses { v4, v6 })
    }
}

/// The text as it is parsed.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any address"),
            Self::Device(name) => f.write_str(name),
            Self::Addresses { v4, v6 } => {
                let both = [v4.map(IpAddr::from), v6.map(IpAddr::from)];
                let texts: Vec<_> = both.into_iter().flatten().map(|ip| ip.to_string()).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
}

/// A text that names neither addresses nor a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address, nor one of each family, nor the name of a device")]
pub struct BindingError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_devices_are_told_apart() {
        for text in ["10.8.0.2", "fd00::2", "10.8.0.2,fd00::2", "tun0", "wg-vpn.1"] {
            assert_eq!(text.parse::<Binding>().unwrap().to_string(), text);
        }
        let device = "tun0".parse::<Binding>().unwrap();
        assert_eq!(device, Binding::Device("tun0".to_owned()));
        for text in
            ["", "0.0.0.0", "::", "10.0.0.1,10.0.0.2", "10.0.0.1,tun0", "a/b", "sixteen-letters-"]
        {
            assert!(text.parse::<Binding>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_family_without_an_address_has_no_sockets() {
        let only_v4 = Binding::from(IpAddr::from([10, 8, 0, 2]));
        assert_eq!(only_v4.local(Family::V4).unwrap(), IpAddr::from([10, 8, 0, 2]));
        assert_eq!(only_v4.local(Family::V6).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        assert!(Binding::Any.local(Family::V6).unwrap().is_unspecified());
    }
}
