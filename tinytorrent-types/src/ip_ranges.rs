//! Sets of addresses, as lists of hosts to avoid have them.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::{Range, RangeInclusive};

/// A set of IP addresses, kept as ranges that neither overlap nor touch.
///
/// A range of IPv4 takes 8 bytes, one of IPv6 takes 32, and many of IPv4 take 256 KiB more. A look-up is a binary search, of
/// IPv4 among those that begin with the same 16 bits. IPv4 mapped into IPv6 counts as IPv4.
///
/// ```
/// use tinytorrent_types::IpRanges;
///
/// let mut builder = IpRanges::builder();
/// builder.add("192.0.2.0".parse()?, "192.0.2.99".parse()?)?;
/// builder.add("192.0.2.50".parse()?, "192.0.2.255".parse()?)?;
/// let ranges = builder.build();
/// assert_eq!(ranges.len(), 1);
/// assert!(ranges.contains("192.0.2.77".parse()?) && ranges.contains("::ffff:192.0.2.77".parse()?));
/// assert!(!ranges.contains("192.0.3.0".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpRanges {
    v4: Ranges<u32>,
    v4_index: Index,
    v6: Ranges<u128>,
}

impl IpRanges {
    /// A builder of a set, which is empty.
    pub fn builder() -> IpRangesBuilder {
        IpRangesBuilder::default()
    }

    /// True if an address is in the set.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let bits = address.to_bits();
                self.v4.contains(bits, self.v4_index.part(bits).unwrap_or(0..self.v4.0.len()))
            }
            IpAddr::V6(address) => self.v6.contains(address.to_bits(), 0..self.v6.0.len()),
        }
    }

    /// The number of ranges.
    pub fn len(&self) -> usize {
        self.v4.0.len() + self.v6.0.len()
    }

    /// True if no address is in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of memory that the ranges take.
    pub fn memory(&self) -> usize {
        self.v4.memory() + self.v4_index.memory() + self.v6.memory()
    }

    /// The ranges: those of IPv4, then those of IPv6, each in the order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = RangeInclusive<IpAddr>> + '_ {
        let v4 = self.v4.0.iter().map(|&(first, last)| {
            Ipv4Addr::from_bits(first).into()..=Ipv4Addr::from_bits(last).into()
        });
        let v6 = self.v6.0.iter().map(|&(first, last)| {
            Ipv6Addr::from_bits(first).into()..=Ipv6Addr::from_bits(last).into()
        });
        v4.chain(v6)
    }
}

/// A set of [`IpRanges`] that grows.
///
/// Its memory follows the ranges of the set and not those that were added: what overlaps is merged now and then.
#[derive(Debug, Clone, Default)]
pub struct IpRangesBuilder {
    v4: Growing<u32>,
    v6: Growing<u128>,
}

impl IpRangesBuilder {
    /// Adds a range with both of its ends, in either order. Returns false if they were reversed.
    ///
    /// # Errors
    /// The ends are of different families.
    pub fn add(&mut self, first: IpAddr, last: IpAddr) -> Result<bool, MixedRange> {
        match (first.to_canonical(), last.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Ok(self.v4.add(first.to_bits(), last.to_bits()))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Ok(self.v6.add(first.to_bits(), last.to_bits()))
            }
            _ => Err(MixedRange(())),
        }
    }

    /// The number of ranges, some of which may overlap.
    pub fn len(&self) -> usize {
        self.v4.ranges.0.len() + self.v6.ranges.0.len()
    }

    /// True if nothing was added.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Merges ranges that overlap or touch now. The time is that of sorting them.
    pub fn merge(&mut self) {
        self.v4.merge();
        self.v6.merge();
    }

    /// The set.
    pub fn build(mut self) -> IpRanges {
        self.merge();
        self.v4.ranges.0.shrink_to_fit();
        self.v6.ranges.0.shrink_to_fit();
        let v4_index = Index::new(&self.v4.ranges);
        IpRanges { v4: self.v4.ranges, v4_index, v6: self.v6.ranges }
    }
}

/// A range from an address of one family to one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedRange(());

impl core::fmt::Display for MixedRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the range begins with an address of one family and ends with one of the other")
    }
}

impl core::error::Error for MixedRange {}

/// The bits of an address.
trait Bits: Copy + Ord {
    /// The address behind this one; the last address itself.
    fn next(self) -> Self;
}

impl Bits for u32 {
    fn next(self) -> Self {
        self.saturating_add(1)
    }
}

impl Bits for u128 {
    fn next(self) -> Self {
        self.saturating_add(1)
    }
}

/// Ranges with both ends, in order, which neither overlap nor touch once they are [merged](Self::merge).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ranges<T>(Vec<(T, T)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Bits> Ranges<T> {
    /// `part` has all ranges that begin at the address or before, but for some of those in front of it.
    fn contains(&self, address: T, part: Range<usize>) -> bool {
        let begin = part.start;
        let Some(part) = self.0.get(part) else { return false };
        let behind = begin + part.partition_point(|&(first, _)| first <= address);
        behind.checked_sub(1).is_some_and(|at| address <= self.0[at].1)
    }

    fn merge(&mut self) {
        // Lists mostly are in order, which this sort finds in one pass.
        self.0.sort_unstable();
        self.0.dedup_by(|next, kept| {
            let is_joined = next.0 <= kept.1.next();
            if is_joined {
                kept.1 = kept.1.max(next.1);
            }
            is_joined
        });
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(T, T)>()
    }
}

/// For each number of 16 bits, how many ranges begin before the addresses that begin with it. A binary search over a million
/// ranges misses the caches of the processor at each step; within a part it does once or twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Index(Vec<u32>);

/// Ranges from which on there is an index. Fewer are in the caches anyway.
const INDEXED: usize = 4_096;

impl Index {
    fn new(ranges: &Ranges<u32>) -> Self {
        if ranges.0.len() < INDEXED {
            return Self::default();
        }
        let mut before = vec![0_u32; (1 << 16) + 1];
        for (first, _) in &ranges.0 {
            before[(first >> 16) as usize + 1] += 1;
        }
        for at in 1..before.len() {
            before[at] += before[at - 1];
        }
        Self(before)
    }

    /// The ranges that begin with the same 16 bits as the address; `None` without an index.
    fn part(&self, address: u32) -> Option<Range<usize>> {
        let at = (address >> 16) as usize;
        Some(*self.0.get(at)? as usize..*self.0.get(at + 1)? as usize)
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<u32>()
    }
}

#[derive(Debug, Clone)]
struct Growing<T> {
    ranges: Ranges<T>,
    /// The number of those that were left by the last merge.
    merged: usize,
}

impl<T> Default for Growing<T> {
    fn default() -> Self {
        Self { ranges: Ranges::default(), merged: 0 }
    }
}

/// Ranges that are added before they are merged for the first time.
const FIRST_MERGE: usize = 1 << 16;

impl<T: Bits> Growing<T> {
    fn add(&mut self, first: T, last: T) -> bool {
        let ranges = &mut self.ranges.0;
        if ranges.len() == ranges.capacity() && ranges.len() >= FIRST_MERGE.max(2 * self.merged) {
            self.merge();
        }
        self.ranges.0.push((first.min(last), first.max(last)));
        first <= last
    }

    fn merge(&mut self) {
        self.ranges.merge();
        self.merged = self.ranges.0.len();
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn set(ranges: &[(&str, &str)]) -> IpRanges {
        let mut builder = IpRanges::builder();
        for (first, last) in ranges {
            builder.add(first.parse().unwrap(), last.parse().unwrap()).unwrap();
        }
        builder.build()
    }

    fn texts(ranges: &IpRanges) -> Vec<alloc::string::String> {
        ranges.iter().map(|range| alloc::format!("{}-{}", range.start(), range.end())).collect()
    }

    #[test]
    fn ranges_that_overlap_or_touch_become_one() {
        let ranges = set(&[
            ("10.0.0.5", "10.0.0.9"),
            ("10.0.1.0", "10.0.1.0"),
            ("10.0.0.0", "10.0.0.4"),
            ("10.0.0.7", "10.0.0.8"),
            ("2001:db8::8", "2001:db8::f"),
            ("2001:db8::", "2001:db8::7"),
        ]);
        let expected = ["10.0.0.0-10.0.0.9", "10.0.1.0-10.0.1.0", "2001:db8::-2001:db8::f"];
        assert_eq!(texts(&ranges), expected);
        assert_eq!((ranges.len(), ranges.memory()), (3, 8 * 2 + 32));
    }

    #[test]
    fn the_ends_of_all_addresses_are_in_a_set_of_all() {
        let all = set(&[
            ("128.0.0.0", "255.255.255.255"),
            ("0.0.0.0", "127.255.255.255"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("255.255.255.255", "255.255.255.255"),
        ]);
        assert_eq!(all.len(), 2);
        for address in ["0.0.0.0", "255.255.255.255", "127.255.255.255", "::", "ffff::ffff"] {
            assert!(all.contains(address.parse().unwrap()), "{address}");
        }
        let none = IpRanges::default();
        assert!(none.is_empty() && !none.contains("0.0.0.0".parse().unwrap()));
    }

    #[test]
    fn a_mapped_address_is_ipv4_on_both_sides() {
        let ranges = set(&[("::ffff:10.0.0.0", "10.0.0.255")]);
        assert_eq!(texts(&ranges), ["10.0.0.0-10.0.0.255"]);
        assert!(ranges.contains("::ffff:10.0.0.9".parse().unwrap()));
        assert!(!ranges.contains("::10.0.0.9".parse().unwrap()));
    }

    #[test]
    fn a_reversed_range_is_turned_and_a_mixed_one_refused() {
        let mut builder = IpRanges::builder();
        let [low, high] = ["10.0.0.0", "10.0.0.9"].map(|text| text.parse().unwrap());
        assert_eq!(builder.add(low, high), Ok(true));
        assert_eq!(builder.add(high, low), Ok(false));
        let error = builder.add(low, "::1".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("family"));
        assert_eq!(texts(&builder.build()), ["10.0.0.0-10.0.0.9"]);
    }

    /// A set of the addresses of 10.0.0.0/24, as a table has it.
    #[test]
    fn a_set_answers_as_a_table_of_addresses_does() {
        // splitmix64
        let mut dice = 36_u64;
        let mut roll = |below: u64| {
            dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (dice ^ (dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % below
        };
        for _ in 0..200 {
            let (mut builder, mut table) = (IpRanges::builder(), vec![false; 256]);
            for _ in 0..roll(12) {
                let first = roll(256) as u8;
                let last = first.saturating_add(roll(24) as u8);
                let [from, to] = [first, last].map(|end| IpAddr::from([10, 0, 0, end]));
                builder.add(from, to).unwrap();
                table[usize::from(first)..=usize::from(last)].fill(true);
                if roll(4) == 0 {
                    builder.merge();
                }
            }
            let ranges = builder.build();
            for (last, &is_in) in table.iter().enumerate() {
                assert_eq!(ranges.contains([10, 0, 0, last as u8].into()), is_in);
            }
            let runs = table.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
            assert_eq!(ranges.len(), runs, "no two ranges touch");
        }
    }

    #[test]
    fn the_ends_of_many_ranges_are_found_as_those_of_few_are() {
        let mut builder = IpRanges::builder();
        // Some are longer than a part of the index, and some parts have none.
        let all =
            (0..6_000_u32).map(|n| (n * 700_000, n * 700_000 + [1, 0x2_0000, 300][n as usize % 3]));
        for (first, last) in all.clone() {
            builder
                .add(Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(last).into())
                .unwrap();
        }
        let ranges = builder.build();
        assert!(ranges.len() == 6_000 && !ranges.v4_index.0.is_empty());
        let is_in = |bits: u32| ranges.contains(Ipv4Addr::from_bits(bits).into());
        for (first, last) in all {
            assert!(is_in(first) && is_in(last) && is_in(first / 2 + last / 2));
            assert!(!is_in(last + 1) && (first == 0 || !is_in(first - 1)));
        }
        assert!(!is_in(u32::MAX));
    }

    #[test]
    fn what_overlaps_takes_no_memory_for_long() {
        let mut builder = IpRanges::builder();
        for n in 0..40 * FIRST_MERGE as u32 {
            let address = Ipv4Addr::from_bits(n % 100).into();
            builder.add(address, address).unwrap();
            assert!(builder.v4.ranges.memory() <= 2 * 8 * FIRST_MERGE);
        }
        assert_eq!(builder.build().len(), 1);
    }
}
