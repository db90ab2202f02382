//! Two hosts next to each other, where the socket of the receiver is what overflows.

use std::time::Duration;

use tinytorrent_sim::utp::{Link, World};

use crate::{ENDLESS, Figures, ms};

/// P-23, P-42
#[test]
fn a_socket_that_overflows_is_kept_nearly_full() {
    for delay in [1, 20, 100] {
        // A link of five times the rate of the reader, the buffer that Linux gives, and the timers of tokio.
        let link = Link::new(10_000.0, Duration::from_micros(delay));
        let mut world = World::new([link.clone(), link]);
        for host in &mut world.hosts {
            (host.socket.capacity, host.socket.each) = (Some(208 << 10), Duration::from_micros(5));
            host.clock.step = ms(1);
        }
        world.connect(0, ENDLESS);
        let rate = Figures::between(&mut world, 0, 1).utp[0];
        let stats = world.hosts[0].stats(0);
        println!("{delay} µs: {rate:.0} Mbit/s, {stats:?}");
        let reader = 200_000.0 * 1_452.0 / 125_000.0;
        assert!(rate > 0.9 * reader, "{rate} of {reader}");
        assert!(world.hosts[1].socket.dropped > 0, "the buffer is full now and then");
        assert!(stats.packets_resent * 100 < stats.packets_sent, "{stats:?}");
        assert_eq!(stats.timeouts, 0);
    }
}
