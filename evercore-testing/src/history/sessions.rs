//! What several processes have seen, and what of it came before what.

use std::io::{self, BufRead};

use super::observation::Observation;

/// What clients have seen.
///
/// A process sees things one after the other. What several saw is put together by [`then`](Self::then) and
/// [`beside`](Self::beside): no clock is asked, and nothing is taken for earlier than something else that may not be.
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
    /// Each began when the one before had ended.
    eras: Vec<Era>,
}

/// What processes saw that ran at the same time.
pub(super) type Era = Vec<Session>;

/// What one process saw.
pub(super) type Session = Vec<Observation>;

/// When something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) era: usize,
    /// Counted through all eras.
    pub(super) session: usize,
    pub(super) index: usize,
}

/// Lines that are not the history of a process.
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
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl History {
    /// What one process has seen.
    #[must_use]
    pub fn of(observations: Vec<Observation>) -> Self {
        Self { eras: vec![vec![observations]] }
    }

    /// What one process has written by [`Recorder::lines`](super::Recorder::lines). A last line without an end was cut
    /// off when the process was killed, and does not count.
    ///
    /// # Errors
    /// [`Unreadable`], with the line.
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

    /// What was seen afterwards: all of it began when all of this had ended.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        self.eras.extend(later.eras);
        self
    }

    /// What others have seen meanwhile. Nothing is known of what came first.
    ///
    /// # Panics
    /// If both are made of several that followed each other: which of them ran beside which is not known.
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

    /// All that was seen; what one process saw, in its order.
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
