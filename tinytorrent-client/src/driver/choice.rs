use tinytorrent_metainfo::{FileIndex, FileSelection, Layout};
use tinytorrent_types::{Bitfield, PieceIndex};

use crate::priority::{Priorities, Wish};
use crate::{Priority, TorrentError, TorrentOptions};

/// The choice of what is to be downloaded.
#[derive(Debug, Clone)]
pub(crate) struct FileChoice {
    /// Files named in the options; empty for no choice.
    by_user: FileSelection,
    /// Files named in the magnet link (BEP 53), which are used if the options name none.
    by_link: FileSelection,
    /// `None` if all chosen files are equal.
    priorities: Option<Box<Priorities>>,
}

/// The pieces that a choice comes to.
#[derive(Debug)]
pub(super) struct ChosenPieces {
    pub(super) wanted: Bitfield,
    /// Those of low and of high priority; `None` if all are equal.
    pub(super) ranked: Option<(Bitfield, Bitfield)>,
}

/// The user chose a file that the torrent does not have.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoSuchFile {
    pub(super) index: u32,
    pub(super) count: u32,
}

impl From<NoSuchFile> for TorrentError {
    fn from(NoSuchFile { index, count }: NoSuchFile) -> Self {
        TorrentError::NoSuchFile { index, count }
    }
}

impl FileChoice {
    pub(crate) fn new(options: &TorrentOptions, by_link: FileSelection) -> Self {
        Self { by_user: options.files.clone(), by_link, priorities: options.priorities.clone() }
    }

    /// Puts the choice into the options, as far as it is the user's.
    pub(crate) fn put_into(self, options: &mut TorrentOptions) {
        (options.files, options.priorities) = (self.by_user, self.priorities);
    }

    /// Changes the choice by a wish of the user.
    pub(crate) fn follow(&mut self, wish: &Wish) {
        let mut priorities = self.priorities.take().unwrap_or_default();
        match wish {
            Wish::Only(files) => {
                self.by_user = files.clone();
                let skipped = priorities.files.of(Priority::Skip).clone();
                priorities.files.set(&skipped, None);
            }
            Wish::Files(files, priority) => {
                if *priority != Priority::Skip && !self.selection().is_empty() {
                    self.by_user = self.selection().union(files);
                }
                // A normal one needs no mention.
                let priority = Some(*priority).filter(|priority| *priority != Priority::Normal);
                priorities.files.set(files, priority);
            }
            Wish::Pieces(pieces, priority) => {
                priorities.pieces.set(&FileSelection::new([pieces.clone()]), *priority);
            }
        }
        self.priorities = Some(priorities).filter(|priorities| !priorities.is_empty());
    }

    pub(super) fn contains(&self, file: FileIndex) -> bool {
        self.priority(file) != Priority::Skip
    }

    /// The priority of a file.
    pub(super) fn priority(&self, file: FileIndex) -> Priority {
        let selection = self.selection();
        if !selection.is_empty() && !selection.contains(file.get()) {
            return Priority::Skip;
        }
        let ranked = self.priorities.as_ref().and_then(|ranked| ranked.files.get(file.get()));
        ranked.unwrap_or_default()
    }

    /// Returns the pieces that hold a byte of a chosen file, and those that are chosen themselves. A piece of
    /// several files has the highest of their priorities.
    ///
    /// # Errors
    /// The options name a file that the torrent does not have. A link that does so is no error: the
    /// user has not made it, and its other files can be downloaded.
    pub(super) fn pieces(&self, layout: &Layout) -> Result<ChosenPieces, NoSuchFile> {
        self.check(layout.file_count())?;
        let piece_count = layout.geometry().piece_count();
        if self.selection().is_empty() && self.priorities.is_none() {
            return Ok(ChosenPieces { wanted: Bitfield::full(piece_count), ranked: None });
        }
        let mut of_pieces: Vec<Option<Priority>> = vec![None; piece_count as usize];
        for file in layout.files().filter(|file| !file.is_pad()) {
            let priority = Some(self.priority(file.index));
            for piece in layout.file_pieces(file.index) {
                let of_piece = &mut of_pieces[piece.as_usize()];
                *of_piece = priority.max(*of_piece);
            }
        }
        // Pieces that consist of padding belong to no file, and are part of the whole.
        let of_padding = match self.selection().is_empty() {
            true => Priority::Normal,
            false => Priority::Skip,
        };
        let own = |piece: PieceIndex| self.priorities.as_ref()?.pieces.get(piece.get());
        let [mut wanted, mut low, mut high] = [(); 3].map(|()| Bitfield::new(piece_count));
        for piece in layout.geometry().pieces() {
            let of_files = of_pieces[piece.as_usize()].unwrap_or(of_padding);
            let priority = own(piece).unwrap_or(of_files);
            if priority != Priority::Skip {
                wanted.insert(piece);
            }
            match priority {
                Priority::Low => _ = low.insert(piece),
                Priority::High => _ = high.insert(piece),
                Priority::Skip | Priority::Normal => {}
            }
        }
        let are_equal = low.is_empty() && high.is_empty();
        Ok(ChosenPieces { wanted, ranked: (!are_equal).then_some((low, high)) })
    }

    fn check(&self, count: u32) -> Result<(), NoSuchFile> {
        // Ranges ascend, so that the last one ends with the highest index.
        match self.by_user.ranges().last() {
            Some(range) if *range.end() >= count => Err(NoSuchFile { index: *range.end(), count }),
            Some(_) | None => Ok(()),
        }
    }

    fn selection(&self) -> &FileSelection {
        if self.by_user.is_empty() { &self.by_link } else { &self.by_user }
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_metainfo::Metainfo;

    use super::*;

    /// Three files of 16 KiB, a piece each.
    fn layout() -> Layout {
        let file = |name| format!("d6:lengthi16384e4:pathl1:{name}ee");
        let files: String = ["a", "b", "c"].map(file).concat();
        let hashes = "x".repeat(60);
        let torrent =
            format!("d4:infod5:filesl{files}e4:name1:n12:piece lengthi16384e6:pieces60:{hashes}ee");
        let metainfo = Metainfo::from_bytes(torrent.as_bytes()).unwrap();
        metainfo.info().layout().clone()
    }

    fn pieces(by_user: &[u32], by_link: &[u32]) -> Result<Vec<u32>, NoSuchFile> {
        let select = |files: &[u32]| FileSelection::new(files.iter().map(|&file| file..=file));
        let mut options = TorrentOptions::new("x");
        options.files(select(by_user));
        let choice = FileChoice::new(&options, select(by_link));
        Ok(choice.pieces(&layout())?.wanted.iter().collect())
    }

    #[test]
    fn the_choice_of_the_user_counts_before_that_of_the_link() {
        assert_eq!(pieces(&[], &[]).unwrap(), [0, 1, 2]);
        assert_eq!(pieces(&[], &[2]).unwrap(), [2]);
        assert_eq!(pieces(&[0, 1], &[2]).unwrap(), [0, 1]);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_of_the_user_alone() {
        let error = pieces(&[1, 3], &[]).unwrap_err();
        assert_eq!((error.index, error.count), (3, 3));
        assert_eq!(pieces(&[], &[1, 3]).unwrap(), [1]);
    }

    #[test]
    fn wishes_follow_one_another() {
        let mut choice = FileChoice::new(&TorrentOptions::new("x"), FileSelection::default());
        let shown = |choice: &FileChoice| {
            let files =
                layout().files().map(|file| choice.priority(file.index)).collect::<Vec<_>>();
            let pieces = choice.pieces(&layout()).unwrap();
            let (low, high) = pieces.ranked.unwrap_or((Bitfield::new(3), Bitfield::new(3)));
            let list = |set: Bitfield| set.iter().collect::<Vec<u32>>();
            (files, [list(pieces.wanted), list(low), list(high)])
        };
        let files = FileSelection::from_text;
        use Priority::{High, Low, Normal, Skip};
        choice.follow(&Wish::Files(files("0-2"), Skip));
        assert_eq!(shown(&choice), (vec![Skip; 3], [vec![], vec![], vec![]]));
        choice.follow(&Wish::Files(files("1"), High));
        assert_eq!(shown(&choice), (vec![Skip, High, Skip], [vec![1], vec![], vec![1]]));
        choice.follow(&Wish::Only(files("0,2")));
        assert_eq!(shown(&choice), (vec![Normal, Skip, Normal], [vec![0, 2], vec![], vec![]]));
        choice.follow(&Wish::Files(files("1"), Low));
        choice.follow(&Wish::Pieces(0..=0, Some(High)));
        choice.follow(&Wish::Pieces(2..=9, Some(Skip)));
        let (of_files, of_pieces) = shown(&choice);
        assert_eq!(of_files, [Normal, Low, Normal]);
        assert_eq!(of_pieces, [vec![0, 1], vec![1], vec![0]]);
        choice.follow(&Wish::Pieces(0..=u32::MAX, None));
        choice.follow(&Wish::Files(files("1"), Normal));
        assert_eq!(shown(&choice), (vec![Normal; 3], [vec![0, 1, 2], vec![], vec![]]));
        assert!(choice.priorities.is_none());
    }
}
