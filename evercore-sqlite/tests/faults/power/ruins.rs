//! Computes the files after a power failure from the record of changes.
//!
//! A disk keeps everything that was synced. Of the writes to a file since its last sync, it keeps any part, in units of
//! a sector and in any order; of the files created or deleted since the directory's last sync, it keeps the first few.
//! It does not damage data next to what was being written; SQLite relies on that as well
//! (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fastrand::Rng;

use crate::disk::{Change, Entry};

const SECTOR: usize = 512;

/// A disk after the recorded changes.
#[derive(Debug, Default)]
pub(crate) struct Ruins {
    files: Vec<File>,
    /// The files by name, as of the last sync of the directory.
    names: BTreeMap<String, usize>,
    /// The creations and deletions since then; `None` for a deleted file.
    renamed: Vec<(String, Option<usize>)>,
    /// The commits that the test knew to be stored.
    learned: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Change>,
}

/// The unsynced changes that survive a power failure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    Nothing,
    Everything,
    /// The first changes, the last of them torn.
    TheFirst,
    /// Any of the changes, each whole or torn.
    Some,
}

impl Ruins {
    /// Returns the commits that were known to be stored before.
    pub(crate) fn learned(&self) -> &BTreeSet<usize> {
        &self.learned
    }

    /// Returns whether anything can be lost.
    pub(crate) fn has_unsynced(&self) -> bool {
        !self.renamed.is_empty() || self.files.iter().any(|file| !file.since.is_empty())
    }

    /// Returns the files after a power failure at this point.
    pub(crate) fn leave(&self, left: Left, rng: &mut Rng) -> BTreeMap<String, Vec<u8>> {
        let mut names = self.names.clone();
        let kept = match left {
            Left::Nothing => 0,
            Left::Everything => self.renamed.len(),
            Left::TheFirst | Left::Some => rng.usize(..=self.renamed.len()),
        };
        for (name, file) in &self.renamed[..kept] {
            match file {
                Some(file) => drop(names.insert(name.clone(), *file)),
                None => drop(names.remove(name)),
            }
        }
        names.into_iter().map(|(name, file)| (name, self.files[file].leave(left, rng))).collect()
    }

    /// Applies an entry of the record.
    pub(crate) fn follow(&mut self, entry: &Entry) {
        let (name, change) = match entry {
            Entry::Learned(number) => {
                self.learned.insert(*number);
                return;
            }
            Entry::Changed { file, change } => (file, change),
        };
        match change {
            Change::Create => drop(self.create(name)),
            Change::Delete => self.renamed.push((name.clone(), None)),
            Change::SyncFolder => {
                for (name, file) in self.renamed.drain(..) {
                    match file {
                        Some(file) => drop(self.names.insert(name, file)),
                        None => drop(self.names.remove(&name)),
                    }
                }
            }
            Change::Sync => {
                let file = self.file(name);
                for change in std::mem::take(&mut file.since) {
                    apply(&mut file.synced, &change);
                }
            }
            Change::Write { .. } | Change::Truncate { .. } => {
                self.file(name).since.push(change.clone());
            }
        }
    }

    /// Returns a file. If its creation was not recorded, it is created now.
    fn file(&mut self, name: &str) -> &mut File {
        let renamed = self.renamed.iter().rev().find(|(other, _)| other == name);
        let found = match renamed {
            Some((_, file)) => *file,
            None => self.names.get(name).copied(),
        };
        let file = match found {
            Some(file) => file,
            None => self.create(name),
        };
        &mut self.files[file]
    }

    fn create(&mut self, name: &str) -> usize {
        self.files.push(File::default());
        self.renamed.push((name.to_owned(), Some(self.files.len() - 1)));
        self.files.len() - 1
    }
}

impl File {
    fn leave(&self, left: Left, rng: &mut Rng) -> Vec<u8> {
        let mut content = self.synced.clone();
        let last = match left {
            Left::TheFirst => rng.usize(..=self.since.len()),
            _ => self.since.len(),
        };
        for (number, change) in self.since.iter().enumerate() {
            match left {
                Left::Nothing => {}
                Left::Everything => apply(&mut content, change),
                Left::TheFirst if number < last => apply(&mut content, change),
                Left::TheFirst if number == last => tear(&mut content, change, rng),
                Left::TheFirst => {}
                Left::Some => match rng.u8(..3) {
                    0 => {}
                    1 => apply(&mut content, change),
                    _ => tear(&mut content, change, rng),
                },
            }
        }
        content
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => put(content, position(*offset), bytes),
        Change::Truncate { size } => content.resize(position(*size), 0),
        other => unreachable!("BUG: {other:?} is about no content"),
    }
}

/// Applies some sectors of a write.
fn tear(content: &mut Vec<u8>, change: &Change, rng: &mut Rng) {
    let Change::Write { offset, bytes } = change else { return };
    let (mut from, end) = (position(*offset), position(*offset) + bytes.len());
    while from < end {
        let to = ((from / SECTOR + 1) * SECTOR).min(end);
        if rng.bool() {
            let begin = position(*offset);
            put(content, from, &bytes[from - begin..to - begin]);
        }
        from = to;
    }
}

fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[at..end].copy_from_slice(bytes);
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).expect("a small file")
}

/// Writes the files to a directory.
pub(crate) fn build(files: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("there is room");
    }
}
