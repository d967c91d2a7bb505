//! Collects everything that the history says about each commit.

use std::collections::HashMap;

use evercore::engine::Positions;
use evercore::{CommitId, Position};

use super::observation::{CommitBegun, Observation, Refusal};
use super::sessions::{History, Moment};

/// A commit and the answers that clients received about it.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) begun: &'a CommitBegun,
    pub(super) began: Moment,
    /// The answers to the commit itself and to later questions about its outcome.
    pub(super) answers: Vec<Answer<'a>>,
    /// The moment at which the commit was first known to be stored.
    pub(super) acknowledged: Option<Moment>,
    /// The highest position that was acknowledged before the commit began.
    pub(super) floor: Option<Floor>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Answer<'a> {
    Landed(&'a Positions),
    Refused(&'a Refusal),
}

/// An acknowledged position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Floor {
    pub(super) position: Position,
    pub(super) commit: CommitId,
}

#[derive(Debug, Default)]
pub(super) struct Commits<'a> {
    pub(super) sent: Vec<Sent<'a>>,
    by_id: HashMap<CommitId, usize>,
    /// Commits that were acknowledged although no client sent them.
    pub(super) unheard: Vec<CommitId>,
}

impl<'a> Commits<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut commits = Self::default();
        commits.take_begun(history);
        commits.take_answers(history);
        commits
    }

    pub(super) fn index(&self, commit: CommitId) -> Option<usize> {
        self.by_id.get(&commit).copied()
    }

    fn take_begun(&mut self, history: &'a History) {
        let mut floors = Floors::default();
        for (moment, seen) in history.moments() {
            floors.enter(moment);
            match seen {
                // A commit that is sent again keeps the moment at which it was first sent.
                Observation::Begun(begun) if !self.by_id.contains_key(&begun.commit) => {
                    self.by_id.insert(begun.commit, self.sent.len());
                    let (answers, acknowledged) = (Vec::new(), None);
                    let (began, floor) = (moment, floors.now);
                    self.sent.push(Sent { begun, began, answers, acknowledged, floor });
                }
                Observation::Acknowledged { commit, positions } => {
                    if let Some(position) = positions.last() {
                        floors.raise(Floor { position, commit: *commit });
                    }
                }
                _ => {}
            }
        }
    }

    /// Collects the answers. Runs after `take_begun`, because one process may learn the outcome of another's commit.
    fn take_answers(&mut self, history: &'a History) {
        for (moment, seen) in history.moments() {
            let (commit, answer) = match seen {
                Observation::Acknowledged { commit, positions } => {
                    (commit, Answer::Landed(positions))
                }
                Observation::Refused { commit, reason } => (commit, Answer::Refused(reason)),
                Observation::Begun(_)
                | Observation::Unknown { .. }
                | Observation::Handled { .. } => continue,
            };
            let is_landed = matches!(answer, Answer::Landed(_));
            match self.by_id.get(commit) {
                Some(&index) => {
                    let sent = &mut self.sent[index];
                    sent.answers.push(answer);
                    if is_landed {
                        sent.acknowledged.get_or_insert(moment);
                    }
                }
                None if is_landed => self.unheard.push(*commit),
                None => {}
            }
        }
    }
}

impl Sent<'_> {
    /// Returns the reason why the commit was refused, if it was.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        self.answers.iter().find_map(|answer| match answer {
            Answer::Refused(reason) => Some(*reason),
            Answer::Landed(_) => None,
        })
    }
}

/// The highest acknowledged positions while the history is read in order.
#[derive(Debug, Default)]
struct Floors {
    now: Option<Floor>,
    /// The highest in all earlier eras.
    before: Option<Floor>,
    /// The highest in everything read so far.
    highest: Option<Floor>,
    place: Option<(usize, usize)>,
}

impl Floors {
    fn enter(&mut self, moment: Moment) {
        let place = (moment.era, moment.session);
        if self.place == Some(place) {
            return;
        }
        if self.place.is_none_or(|(era, _)| era != moment.era) {
            self.before = self.highest;
        }
        self.now = self.before;
        self.place = Some(place);
    }

    fn raise(&mut self, floor: Floor) {
        self.now = self.now.max(Some(floor));
        self.highest = self.highest.max(Some(floor));
    }
}
