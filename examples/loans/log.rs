//! Reads the log: a CSV of `case_id, activity, lifecycle, timestamp, resource, amount_requested`.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use csv::StringRecord;
use evercore::chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;

use crate::domain::{ApplicationStep, Lifecycle, OfferStep, WorkItem};

/// The entries of the log, by case.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The cases, in the order of their first entries.
    pub(crate) cases: Vec<Case>,
    /// The lines that cannot be parsed.
    pub(crate) broken: Vec<BrokenLine>,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// The entries of the case, in the order of the log.
    pub(crate) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) line: u64,
    pub(crate) time: DateTime<Utc>,
    pub(crate) resource: Option<Box<str>>,
    pub(crate) activity: Activity,
}

#[derive(Debug)]
pub(crate) enum Activity {
    Submitted { amount_requested: i64 },
    Application(ApplicationStep),
    Offer(OfferStep),
    Work(WorkItem, Lifecycle),
}

#[derive(Debug)]
pub(crate) struct BrokenLine {
    pub(crate) line: u64,
    pub(crate) problem: anyhow::Error,
}

impl Log {
    /// Reads a file, which may be compressed with gzip.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let open = || File::open(path).with_context(|| format!("cannot open {}", path.display()));
        let compressed = path.extension().is_some_and(|extension| extension == "gz");
        let log =
            if compressed { Self::read(MultiGzDecoder::new(open()?)) } else { Self::read(open()?) };
        log.with_context(|| format!("cannot read {}", path.display()))
    }

    /// Reads text. Fails only if the text cannot be read further; a line that cannot be parsed is collected in
    /// `broken`.
    pub(crate) fn read(text: impl Read) -> anyhow::Result<Self> {
        // Without quoting, a mistake in one line cannot affect the next one.
        let mut lines = csv::ReaderBuilder::new().quoting(false).flexible(true).from_reader(text);
        let mut log = Self::default();
        let mut by_id = HashMap::new();
        let mut line = 1;
        let mut record = StringRecord::new();
        loop {
            line += 1;
            let parsed = match lines.read_record(&mut record) {
                Ok(false) => return Ok(log),
                Ok(true) => {
                    line = record.position().map_or(line, csv::Position::line);
                    parse(line, &record)
                }
                Err(error) if error.is_io_error() => return Err(error.into()),
                Err(error) => Err(error.into()),
            };
            match parsed {
                Ok((id, entry)) => match by_id.entry(id) {
                    MapEntry::Occupied(known) => {
                        let case: &mut Case = &mut log.cases[*known.get()];
                        case.entries.push(entry);
                    }
                    MapEntry::Vacant(new) => {
                        log.cases.push(Case { id: new.key().clone(), entries: vec![entry] });
                        new.insert(log.cases.len() - 1);
                    }
                },
                Err(problem) => log.broken.push(BrokenLine { line, problem }),
            }
        }
    }

    pub(crate) fn entries(&self) -> usize {
        self.cases.iter().map(|case| case.entries.len()).sum()
    }
}

fn parse(line: u64, record: &StringRecord) -> anyhow::Result<(String, Entry)> {
    let fields: Vec<&str> = record.iter().collect();
    let [case_id, activity, lifecycle, timestamp, resource, amount] = fields[..] else {
        bail!("{} fields instead of 6", fields.len());
    };
    if case_id.is_empty() {
        bail!("the case id is empty");
    }
    let time = timestamp.parse().with_context(|| format!("`{timestamp}` is not a time"))?;
    let lifecycle = Lifecycle::parse(lifecycle)?;
    let activity = match (activity.get(..2), lifecycle) {
        (Some("W_"), lifecycle) => Activity::Work(WorkItem::parse(activity)?, lifecycle),
        (Some("A_"), Lifecycle::Completed) => match ApplicationStep::parse(activity)? {
            ApplicationStep::Submitted => {
                let amount_requested =
                    amount.parse().with_context(|| format!("`{amount}` is not an amount"))?;
                Activity::Submitted { amount_requested }
            }
            step => Activity::Application(step),
        },
        (Some("O_"), Lifecycle::Completed) => Activity::Offer(OfferStep::parse(activity)?),
        (Some("A_" | "O_"), lifecycle) => bail!("`{activity}` with the lifecycle {lifecycle}"),
        _ => bail!("`{activity}` is not an activity of applications, offers or work items"),
    };
    let resource = (!resource.is_empty()).then(|| resource.into());
    Ok((case_id.to_owned(), Entry { line, time, resource, activity }))
}

impl fmt::Display for BrokenLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:#}", self.line, self.problem)
    }
}
