//! What is known of each commit, put together from all that was seen of it.

use std::collections::HashMap;

use evercore::{CommitId, Position};

use super::observation::{CommitBegun, Observation, Refusal};
use super::sessions::{History, Moment};

/// A commit, and what clients were told of it.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) begun: &'a CommitBegun,
    pub(super) began: Moment,
    /// The answers to it, and to the question what became of it.
    pub(super) answers: Vec<Answer<'a>>,
    /// When it was first known to have landed.
    pub(super) acknowledged: Option<Moment>,
    /// Of what was acknowledged before it began, the highest position.
    pub(super) floor: Option<Floor>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Answer<'a> {
    Landed(Option<(Position, Position)>),
    Refused(&'a Refusal),
}

/// A position that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Floor {
    pub(super) position: Position,
    pub(super) commit: CommitId,
}

#[derive(Debug, Default)]
pub(super) struct Commits<'a> {
    pub(super) sent: Vec<Sent<'a>>,
    by_id: HashMap<CommitId, usize>,
    /// Those that were acknowledged and never sent.
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
                // What is sent a second time has begun when it was sent first.
                Observation::Begun(begun) if !self.by_id.contains_key(&begun.commit) => {
                    self.by_id.insert(begun.commit, self.sent.len());
                    let (answers, acknowledged) = (Vec::new(), None);
                    let (began, floor) = (moment, floors.now);
                    self.sent.push(Sent { begun, began, answers, acknowledged, floor });
                }
                Observation::Acknowledged { commit, positions: Some((_, position)) } => {
                    floors.raise(Floor { position: *position, commit: *commit });
                }
                _ => {}
            }
        }
    }

    /// After all have begun: one process may be told of what another has sent.
    fn take_answers(&mut self, history: &'a History) {
        for (moment, seen) in history.moments() {
            let (commit, answer) = match seen {
                Observation::Acknowledged { commit, positions } => {
                    (commit, Answer::Landed(*positions))
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
    /// Why it was refused, if it was.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        self.answers.iter().find_map(|answer| match answer {
            Answer::Refused(reason) => Some(*reason),
            Answer::Landed(_) => None,
        })
    }
}

/// What is known to have been acknowledged before now.
#[derive(Debug, Default)]
struct Floors {
    now: Option<Floor>,
    /// Of the eras that have ended.
    before: Option<Floor>,
    /// Of all that was seen so far.
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
