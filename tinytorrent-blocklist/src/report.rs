use std::fmt;
use std::net::IpAddr;

use tinytorrent_types::{IpRanges, IpRangesBuilder};

use crate::line::{Entry, Problem};
use crate::{Blocklist, MAX_RANGES, ReadError};

/// A summary of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Ranges of addresses to avoid, as they stand in the list.
    pub ranges: u64,
    /// The number of those that end before they begin. They were turned.
    pub reversed: u64,
    /// The number of those that are a part of others, or continue them.
    pub joined: u64,
    /// Ranges with an access level above 127, which are not avoided.
    pub allowed: u64,
    /// Lines that were not understood, and left out.
    pub bad: u64,
    /// The first eight of them.
    pub first_bad: Vec<BadLine>,
}

/// A line that was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// Its number; the first one is 1.
    pub line: u64,
    /// Its fault.
    pub problem: Problem,
}

const MOST_NAMED: usize = 8;

/// A line such as `3 ranges, 1 of them reversed; 1 line not understood (line 7: no range of addresses)`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        write!(f, "{} range{}", self.ranges, plural(self.ranges))?;
        for (count, what) in
            [(self.reversed, "of them reversed"), (self.joined, "joined with others")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.allowed > 0 {
            write!(f, "; {} allowed by level", self.allowed)?;
        }
        if let Some(first) = self.first_bad.first() {
            write!(f, "; {} line{} not understood ({first})", self.bad, plural(self.bad))?;
        }
        Ok(())
    }
}

/// A list while it is read.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    builder: IpRangesBuilder,
    report: Report,
}

impl Gathering {
    /// Takes in what a line says.
    pub(crate) fn take(
        &mut self,
        line: u64,
        said: Result<Option<Entry>, Problem>,
    ) -> Result<(), ReadError> {
        match said {
            Ok(None) => {}
            Ok(Some(entry)) if entry.is_allowed => self.report.allowed += 1,
            Ok(Some(entry)) => match self.add(entry.first, entry.last)? {
                true => {}
                false => self.note_bad(line, Problem::MixedFamilies),
            },
            Err(problem) => self.note_bad(line, problem),
        }
        Ok(())
    }

    /// Takes in a range. Returns false if its ends are of two families.
    pub(crate) fn add(&mut self, first: IpAddr, last: IpAddr) -> Result<bool, ReadError> {
        let Ok(is_straight) = self.builder.add(first, last) else { return Ok(false) };
        self.report.ranges += 1;
        self.report.reversed += u64::from(!is_straight);
        // Twice as many, so that there is much to merge each time.
        if self.builder.len() >= 2 * MAX_RANGES {
            self.builder.merge();
            if self.builder.len() > MAX_RANGES {
                return Err(ReadError::TooManyRanges);
            }
        }
        Ok(true)
    }

    fn note_bad(&mut self, line: u64, problem: Problem) {
        self.report.bad += 1;
        if self.report.first_bad.len() < MOST_NAMED {
            self.report.first_bad.push(BadLine { line, problem });
        }
    }

    pub(crate) fn finish(self) -> Result<Blocklist, ReadError> {
        let Self { builder, mut report } = self;
        match report.first_bad.first() {
            Some(first) if report.bad > report.ranges + report.allowed => {
                return Err(ReadError::NoList(*first));
            }
            _ => {}
        }
        let ranges: IpRanges = builder.build();
        if ranges.len() > MAX_RANGES {
            return Err(ReadError::TooManyRanges);
        }
        report.joined = report.ranges - ranges.len() as u64;
        Ok(Blocklist { ranges, report })
    }
}
