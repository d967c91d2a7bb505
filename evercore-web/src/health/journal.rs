//! Logs each reason why the program is not ready once, and when it is ready again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tracing::{info, warn};

/// The reason why one part of the program is not ready.
#[derive(Clone, Debug)]
pub(super) struct Reason {
    pub(super) part: Part,
    /// The reason, in words.
    pub(super) why: String,
}

/// A part of the program that may not be ready.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The look itself: it has not ended.
    Look,
    Database,
    Subscription(String),
    Check(String),
}

/// The parts that the log has last named as not ready.
#[derive(Debug, Default)]
pub(super) struct Journal {
    unready: Mutex<BTreeSet<Part>>,
}

impl Journal {
    /// Logs the reasons of parts that were ready at the last look, or that all parts are ready again.
    pub(super) fn note(&self, reasons: &[Reason]) {
        let mut unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = reasons.iter().map(|reason| reason.part.clone()).collect();
        let former = std::mem::replace(&mut *unready, parts);
        let new = reasons.iter().filter(|reason| !former.contains(&reason.part));
        let why = new.map(Reason::in_words).collect::<Vec<_>>().join("; ");
        match (former.is_empty(), why.is_empty()) {
            (true, false) => warn!(why, "the program is not ready"),
            (false, false) => warn!(why, "the program is not ready for another reason"),
            (false, true) if reasons.is_empty() => info!("the program is ready again"),
            (_, true) => {}
        }
    }

    /// Logs that a look has not ended. What it would have found is unknown, so the other parts stay as they were.
    pub(super) fn note_no_look(&self, why: &str) {
        let mut unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        let was_ready = unready.is_empty();
        if unready.insert(Part::Look) {
            match was_ready {
                true => warn!(why, "the program is not ready"),
                false => warn!(why, "the program is not ready for another reason"),
            }
        }
    }
}

impl Reason {
    fn in_words(&self) -> String {
        let why = &self.why;
        match &self.part {
            Part::Look => why.clone(),
            Part::Database => format!("the database: {why}"),
            Part::Subscription(name) | Part::Check(name) => format!("{name}: {why}"),
        }
    }
}
