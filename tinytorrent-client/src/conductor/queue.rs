/// The number of torrents that may run at a time; `None` for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    pub(crate) downloads: Option<usize>,
    pub(crate) seeds: Option<usize>,
}

/// The part of a torrent that the queue goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Nobody has paused it.
    pub(crate) wants_to_run: bool,
    /// All wanted pieces are there.
    pub(crate) is_complete: bool,
}

impl QueueLimits {
    pub(crate) fn has_any(self) -> bool {
        self.downloads.is_some() || self.seeds.is_some()
    }

    /// Says of each torrent, in their order, whether it has to wait for others to end.
    pub(crate) fn waiting(self, torrents: impl IntoIterator<Item = Standing>) -> Vec<bool> {
        let mut free = [self.downloads, self.seeds];
        let wait = |standing: Standing| {
            if !standing.wants_to_run {
                return false;
            }
            match &mut free[usize::from(standing.is_complete)] {
                Some(0) => true,
                Some(free) => {
                    *free -= 1;
                    false
                }
                None => false,
            }
        };
        torrents.into_iter().map(wait).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `d` and `s` are a download and a seed, in capitals if somebody has paused them.
    fn waiting(limits: [Option<usize>; 2], torrents: &str) -> String {
        let [downloads, seeds] = limits;
        let standing = |letter: char| Standing {
            wants_to_run: letter.is_lowercase(),
            is_complete: letter.eq_ignore_ascii_case(&'s'),
        };
        let waiting = QueueLimits { downloads, seeds }.waiting(torrents.chars().map(standing));
        waiting.iter().map(|&waits| if waits { '-' } else { '+' }).collect()
    }

    #[test]
    fn the_first_ones_of_each_kind_run() {
        assert_eq!(waiting([None, None], "dsdsd"), "+++++");
        assert_eq!(waiting([Some(2), None], "dsdsd"), "++++-");
        assert_eq!(waiting([Some(0), Some(1)], "dsdsd"), "-+---");
    }

    #[test]
    fn one_that_is_paused_takes_no_place_and_does_not_wait() {
        assert_eq!(waiting([Some(1), Some(1)], "DdSsds"), "++++--");
    }
}
