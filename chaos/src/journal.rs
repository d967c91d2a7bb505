//! A file in which handlers record the events they received: the effect of a handler without a transaction.
//!
//! All workers append to one file, so it has the order in which they wrote. A worker may be killed while it writes: a
//! record starts with a new line and ends with a mark, so that a torn record is recognized and damages no other.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::domain::Entry;

const END: char = ';';

/// A journal that is open for appending.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<File>);

impl Journal {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map(|file| Self(Arc::new(file))).with_context(|| format!("cannot open {path:?}"))
    }

    /// Writes a record in a single system call.
    pub(crate) fn write(&self, entry: Entry) -> std::io::Result<()> {
        let Entry { position, aggregate, sequence } = entry;
        (&*self.0).write_all(format!("\n{position} {aggregate} {sequence}{END}").as_bytes())
    }
}

/// Returns all records that were written completely.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {path:?}"))?,
    };
    text.lines().filter_map(|line| line.strip_suffix(END)).map(parse).collect()
}

fn parse(record: &str) -> Result<Entry> {
    let numbers = record.split(' ').map(str::parse).collect::<Result<Vec<i64>, _>>();
    match numbers.as_deref() {
        Ok(&[position, aggregate, sequence]) => Ok(Entry::new(position, aggregate, sequence)?),
        _ => anyhow::bail!("a journal holds the record `{record}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(position: i64) -> Entry {
        Entry::new(position, 2, 3).expect("the numbers are right")
    }

    #[test]
    fn a_torn_record_spoils_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let journal = Journal::open(&path).expect("it opens");
        journal.write(entry(1)).expect("it is written");
        (&*journal.0).write_all(b"\n17 2").expect("it is written");
        Journal::open(&path).expect("it opens").write(entry(4)).expect("it is written");
        assert_eq!(read(&path).expect("it can be read"), [entry(1), entry(4)]);
    }

    #[test]
    fn an_unwritten_journal_is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(&folder.path().join("journal")).expect("it can be read"), []);
    }
}
