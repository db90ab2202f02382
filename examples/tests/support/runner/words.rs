//! The command line: the part of libtest's that people and tools use.

use super::default_threads;

/// The parsed command line.
#[derive(Debug, Default)]
pub struct Words {
    /// Parts of names; a test needs one of them, where there are any.
    filters: Vec<String>,
    /// Parts of names that no test may have.
    skips: Vec<String>,
    /// `true` if those are whole names.
    exact: bool,
    /// Only tests that are always left out, of which there are none.
    ignored: bool,
    /// Names are asked for, no test is run.
    pub list: bool,
    /// Number of tests at a time.
    pub threads: usize,
}

impl Words {
    /// Reads the words behind the program's name.
    ///
    /// # Errors
    ///
    /// When an option is not known, or lacks its value.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self { threads: threads_of_environment(), ..Self::default() };
        let mut words = words.flat_map(|word| match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => vec![option.into(), value.into()],
            _ => vec![word],
        });
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--exact" => parsed.exact = true,
                "--ignored" => parsed.ignored = true,
                "--list" => parsed.list = true,
                "--skip" => parsed.skips.push(value()?),
                "--test-threads" => {
                    let threads = value()?.parse().ok().filter(|threads| *threads > 0);
                    parsed.threads = threads.ok_or("--test-threads takes a number above 0")?;
                }
                // They change how libtest prints; there is one way here.
                "--color" | "--format" | "-Z" => drop(value()?),
                "--include-ignored" | "--nocapture" | "--no-capture" | "--quiet" | "-q"
                | "--show-output" | "--report-time" => {}
                option if option.starts_with('-') => {
                    return Err(format!("no such option: {option}"));
                }
                _ => parsed.filters.push(word),
            }
        }
        Ok(parsed)
    }

    /// Returns `true` if the test of this name is asked for.
    pub fn choose(&self, name: &str) -> bool {
        let fits =
            |part: &String| if self.exact { name == part } else { name.contains(part.as_str()) };
        let wanted = self.filters.is_empty() || self.filters.iter().any(fits);
        wanted && !self.skips.iter().any(fits) && !self.ignored
    }
}

fn threads_of_environment() -> usize {
    let set = std::env::var("RUST_TEST_THREADS").ok().and_then(|text| text.parse().ok());
    set.filter(|threads| *threads > 0).unwrap_or_else(default_threads)
}
