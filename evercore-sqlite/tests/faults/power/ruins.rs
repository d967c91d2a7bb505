//! What a power cut may leave of files, from the record of what was done to them.
//!
//! A disk keeps what was synced. Of what was written to a file since its last sync, it keeps any part, in units of a
//! sector, in any order; of files that were created or deleted since the folder's last sync, the first few. It damages
//! nothing beside what was being written, which SQLite counts on as well (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fastrand::Rng;

use crate::disk::{Change, Entry};

const SECTOR: usize = 512;

/// A disk, as the record has brought it about.
#[derive(Debug, Default)]
pub(crate) struct Ruins {
    files: Vec<File>,
    /// Which file has which name, for good.
    names: BTreeMap<String, usize>,
    /// What has become of names since then; `None` for a deleted one.
    renamed: Vec<(String, Option<usize>)>,
    /// What the test has learned.
    learned: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Change>,
}

/// What a power cut leaves of all that was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left {
    Nothing,
    Everything,
    /// The first changes, the last of them torn.
    TheFirst,
    /// Any of them, each whole or torn.
    Some,
}

impl Ruins {
    /// What was learned before.
    pub(crate) fn learned(&self) -> &BTreeSet<usize> {
        &self.learned
    }

    /// Whether anything can be lost.
    pub(crate) fn has_unsynced(&self) -> bool {
        !self.renamed.is_empty() || self.files.iter().any(|file| !file.since.is_empty())
    }

    /// The files that a power cut leaves now.
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

    /// Goes on by an entry of the record.
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

    /// One that was not created before anyone's eyes was created just now.
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

/// Some sectors of it.
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

/// Writes the files into a folder.
pub(crate) fn build(files: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("there is room");
    }
}
