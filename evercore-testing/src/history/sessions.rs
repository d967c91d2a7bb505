//! Combines the observations of several processes and keeps which of them came before others.

use std::io::{self, BufRead};

use super::observation::Observation;

/// The observations of clients in one or more processes.
///
/// The observations of one process are in order. Histories of several processes are combined with [`then`](Self::then)
/// and [`beside`](Self::beside). No clock is read: an observation counts as earlier than another only if it must be.
///
/// # Example
/// ```
/// use evercore_testing::history::History;
///
/// let first = History::read(&b""[..])?;
/// let (reader, writer) = (History::read(&b""[..])?, History::read(&b""[..])?);
/// let all = first.then(reader.beside(writer));
/// assert_eq!(all.observations().count(), 0);
/// # Ok::<_, evercore_testing::history::Unreadable>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Each era began after its predecessor had ended.
    eras: Vec<Era>,
}

/// The sessions of processes that ran at the same time.
pub(super) type Era = Vec<Session>;

/// The observations of one process.
pub(super) type Session = Vec<Observation>;

/// The place of an observation in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) era: usize,
    /// The index of the session, counted through all eras.
    pub(super) session: usize,
    pub(super) index: usize,
}

/// An error in the lines of a recorded history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The lines cannot be read.
    #[error("the history cannot be read")]
    Source(#[from] io::Error),
    /// A line is not an observation.
    #[error(
        "line {line} of the history is not an observation; was something else written to the same place?"
    )]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// The error in the line.
        source: serde_json::Error,
    },
}

impl History {
    /// Creates the history of one process.
    #[must_use]
    pub fn of(observations: Vec<Observation>) -> Self {
        Self { eras: vec![vec![observations]] }
    }

    /// Reads the lines that one process wrote with [`Recorder::lines`](super::Recorder::lines). An incomplete last line
    /// was cut off when the process was killed and is ignored.
    ///
    /// # Errors
    /// [`Unreadable`], with the number of the line if one is invalid.
    pub fn read(mut lines: impl BufRead) -> Result<Self, Unreadable> {
        let mut observations = Vec::new();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            lines.read_until(b'\n', &mut line)?;
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            let observation = serde_json::from_slice(whole)
                .map_err(|source| Unreadable::Line { line: number, source })?;
            observations.push(observation);
        }
        Ok(Self::of(observations))
    }

    /// Appends a later history, which began after this one had ended.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        self.eras.extend(later.eras);
        self
    }

    /// Combines two histories of the same time. The order between them is unknown.
    ///
    /// # Panics
    /// If one of them consists of several consecutive histories: it is unknown which of those the other ran beside.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        let (mut long, short) =
            if self.eras.len() >= other.eras.len() { (self, other) } else { (other, self) };
        assert!(
            long.eras.len() <= 1,
            "put together what ran at the same time before what followed"
        );
        match long.eras.first_mut() {
            Some(era) => era.extend(short.eras.into_iter().flatten()),
            None => return short,
        }
        long
    }

    /// Returns all observations; those of one process are in their order.
    pub fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.moments().map(|(_, observation)| observation)
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = (Moment, &Observation)> {
        let sessions = self.eras.iter().enumerate();
        let sessions = sessions.flat_map(|(era, sessions)| sessions.iter().map(move |s| (era, s)));
        sessions.enumerate().flat_map(|(session, (era, observations))| {
            let at = move |index| Moment { era, session, index };
            observations.iter().enumerate().map(move |(index, seen)| (at(index), seen))
        })
    }
}
