//! The history checker detects faulty engines when many concurrent clients use them.

use evercore_conformance::{Crowd, concurrent_histories};
use evercore_testing::history::Violation;

use crate::engine::{Fault, Faulty, Sound};
use crate::read_faults::{AppliesTwice, ReversesTheLog, SkipsASequence};
use crate::subscription_faults::{ReadsBackwards, SkipsMatches};
use crate::tag_faults::{
    ChecksConditionsTooEarly, ChecksOneCondition, IndexesTheFirstTag, OverlooksConditions,
};
use crate::write_faults::{
    AcknowledgesTooEarly, BelievesTheCache, KeepsRefusedSnapshots, LandsInPart,
    LandsInPartWhenDropped, LosesUpdates, OverlooksGuards, OverlooksIdempotency,
    OverlooksKeyChanges, SharesKeys,
};

concurrent_histories!(Faulty::new(Sound));

/// Conflicts between clients are random, so a single crowd may not reveal the fault.
const CROWDS: u64 = 20;

/// Asserts that the fault is detected as a violation that matches the condition.
///
/// Each crowd has a seed of its own: there are seeds whose operations hardly ever meet the fault.
fn assert_seen<F: Fault>(crowd: &Crowd, make: impl Fn() -> F, is_it: impl Fn(&Violation) -> bool) {
    for number in 1..=CROWDS {
        let verdict = crowd.clone().seed(number).run(Faulty::new(make()));
        let verdict = verdict.unwrap_or_else(|problem| panic!("{:?}: {problem}", make()));
        if let Some(violation) = verdict.violations().iter().find(|violation| is_it(violation)) {
            println!("{:?} is seen in crowd {number}: {violation}", make());
            return;
        }
    }
    panic!("{:?} is not seen in {CROWDS} crowds", make());
}

macro_rules! seen {
    ($($sentence:ident: $fault:expr => $violation:pat,)+) => {
        $(
            #[test]
            fn $sentence() {
                let crowd = Crowd::new().operations(60);
                assert_seen(&crowd, || $fault, |violation| matches!(violation, $violation));
            }
        )+
    };
}

seen! {
    lost_updates_are_seen: LosesUpdates => Violation::Stale { .. },
    overlooked_guards_are_seen: OverlooksGuards => Violation::NoOrder { .. },
    overlooked_key_changes_are_seen: OverlooksKeyChanges => Violation::NoOrder { .. },
    overlooked_conditions_are_seen: OverlooksConditions => Violation::StaleBoundary { .. },
    a_second_condition_that_is_overlooked_is_seen: ChecksOneCondition => Violation::StaleBoundary { .. },
    conditions_that_are_checked_too_early_are_seen: ChecksConditionsTooEarly => Violation::StaleBoundary { .. },
    tags_without_their_index_are_seen: IndexesTheFirstTag => Violation::Altered { .. },
    shared_keys_are_seen: SharesKeys => Violation::NoOrder { .. },
    partial_commits_are_seen: LandsInPart => Violation::Refused { .. },
    partial_commits_of_dropped_futures_are_seen: LandsInPartWhenDropped => Violation::Torn { .. },
    early_acknowledgements_are_seen: AcknowledgesTooEarly::default() => Violation::Lost { .. },
    overlooked_idempotency_keys_are_seen: OverlooksIdempotency => Violation::IdempotencyKey { .. },
    snapshots_of_refused_commits_are_seen: KeepsRefusedSnapshots => Violation::State { .. },
    events_applied_twice_are_seen: AppliesTwice => Violation::State { .. },
    sequences_left_out_are_seen: SkipsASequence => Violation::Sequence { .. },
    a_log_read_backwards_is_seen: ReversesTheLog => Violation::Unordered { .. },
    matches_left_out_are_seen: SkipsMatches => Violation::Missed { .. },
    pages_read_backwards_are_seen: ReadsBackwards => Violation::Overtaken { .. },
}

#[test]
fn a_conflict_hidden_by_the_cache_is_seen() {
    let crowd = Crowd::new().operations(60).cached();
    let is_stale = |violation: &Violation| matches!(violation, Violation::Stale { .. });
    assert_seen(&crowd, BelievesTheCache::default, is_stale);
}
