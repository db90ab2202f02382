//! Names of worlds: the number that a world is drawn from, and what is left out of it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// The name of a world, such as `4711` or `4711/m3,m7,f0/90`: the number that it is drawn from, the members and faults
/// that are left out, and the seconds after which it is over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorldName {
    /// The number that all is drawn from.
    pub seed: u64,
    /// Members that are left out, by their numbers as drawn.
    pub without_members: BTreeSet<usize>,
    /// Faults that are left out, by their numbers as drawn.
    pub without_faults: BTreeSet<usize>,
    /// The time after which it is over, if it is not played to its end.
    pub lasts: Option<Duration>,
}

/// A text that is not the name of a world.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no world: SEED, or SEED/m1,f2,…/SECONDS")]
pub struct NameError(String);

impl fmt::Display for WorldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        let members = self.without_members.iter().map(|number| format!("m{number}"));
        let faults = self.without_faults.iter().map(|number| format!("f{number}"));
        let without: Vec<_> = members.chain(faults).collect();
        match (without.is_empty(), self.lasts) {
            (true, None) => Ok(()),
            (false, None) => write!(f, "/{}", without.join(",")),
            (_, Some(time)) => write!(f, "/{}/{}", without.join(","), time.as_secs_f64()),
        }
    }
}

impl FromStr for WorldName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError(text.into());
        let mut parts = text.splitn(3, '/');
        let seed = parts.next().and_then(|seed| seed.parse().ok()).ok_or_else(error)?;
        let mut name = Self { seed, ..Self::default() };
        for word in parts.next().unwrap_or_default().split(',').filter(|word| !word.is_empty()) {
            let (kind, number) = word.split_at_checked(1).ok_or_else(error)?;
            let number = number.parse().map_err(|_| error())?;
            match kind {
                "m" => name.without_members.insert(number),
                "f" => name.without_faults.insert(number),
                _ => return Err(error()),
            };
        }
        if let Some(seconds) = parts.next() {
            let seconds = seconds.parse().map_err(|_| error())?;
            name.lasts = Some(Duration::try_from_secs_f64(seconds).map_err(|_| error())?);
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in ["0", "4711", "4711/m3,m7,f0", "4711/f2/90", "1//0.25"] {
            let name: WorldName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        for text in ["", "x", "1/3", "1/mm", "1/é3", "1//x", "1//-1", "1/m1/2/3"] {
            assert!(text.parse::<WorldName>().is_err(), "{text}");
        }
    }
}
