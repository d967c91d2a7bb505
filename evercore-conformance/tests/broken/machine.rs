//! Random commands detect faulty engines within a bounded number of sequences.

use async_trait::async_trait;
use evercore::engine::{Capabilities, Capability, StorageEngine};
use evercore_conformance::{Explorer, state_machine};
use evercore_memory::MemoryEngine;

use crate::engine::{Fault, Faulty, Sound};
use crate::read_faults::{AppliesTwice, GivesAnySnapshot};
use crate::subscription_faults::{
    DropsParkedEvents, DropsWhatWaits, GivesPagesTwice, HidesParkedAggregates, IgnoresOperators,
    ReadsBackwards, SkipsEvents,
};
use crate::tag_faults::{
    ChecksOneCondition, CountsFromTheStart, CutsTaggedPages, FindsByOneTag, IndexesTheFirstTag,
    OverlooksConditions, ReportsALateFrontier,
};
use crate::task_faults::{
    ChecksNoKeys, ClaimsWithPoison, CompletesAfterwards, CompletesWhatIsGone,
    CompletesWithoutToken, EnqueuesTooEarly, GivesTasksTwice, HidesLostTasks, IgnoresDueTimes,
    IgnoresOperatorsOfQueues, KeepsTasks, LosesTasksBesideEvents, RetriesNoTask,
};
use crate::write_faults::{
    AcceptsTheFuture, AcknowledgesTooEarly, AsksForTheKeyLast, BelievesTheCache, FailsNeighbours,
    ForgetsAtTheEnd, KeepsRefusedSnapshots, LandsInPart, LosesUpdates, OverlooksGuards,
    OverlooksIdempotency, OverlooksKeyChanges, SharesKeys, SharesKeysAmongTypes,
};

state_machine!(Faulty::new(Sound));

/// Far more sequences than any of the faults needs.
const SEQUENCES: u32 = 400;

/// Returns an explorer with a fixed seed.
fn explorer() -> Explorer {
    Explorer::new().sequences(SEQUENCES).seed(7).shorten(0)
}

fn assert_found<F: Fault>(explorer: Explorer, make: impl Fn() -> F) {
    match explorer.explore(|| Faulty::new(make())) {
        Ok(explored) => panic!("{:?} is not found: {explored:?}", make()),
        Err(found) => println!("{:?} is found in sequence {}", make(), found.sequences()),
    }
}

macro_rules! found {
    ($($sentence:ident: $fault:expr;)+) => {
        $(
            #[test]
            fn $sentence() {
                assert_found(explorer(), || $fault);
            }
        )+
    };
}

found! {
    lost_updates_are_found: LosesUpdates;
    an_expectation_of_the_future_is_found: AcceptsTheFuture;
    overlooked_key_changes_are_found: OverlooksKeyChanges;
    overlooked_guards_are_found: OverlooksGuards;
    partial_commits_are_found: LandsInPart;
    early_acknowledgements_are_found: AcknowledgesTooEarly::default();
    a_verdict_for_the_next_is_found: FailsNeighbours::default();
    snapshots_of_refused_commits_are_found: KeepsRefusedSnapshots;
    shared_keys_are_found: SharesKeys;
    keys_shared_among_types_are_found: SharesKeysAmongTypes;
    overlooked_idempotency_keys_are_found: OverlooksIdempotency;
    a_key_asked_for_last_is_found: AsksForTheKeyLast;
    forgotten_data_are_found: ForgetsAtTheEnd;
    snapshots_of_any_shape_are_found: GivesAnySnapshot::default();
    events_applied_twice_are_found: AppliesTwice;
    events_left_out_are_found: SkipsEvents;
    pages_given_twice_are_found: GivesPagesTwice;
    pages_read_backwards_are_found: ReadsBackwards;
    parked_events_that_are_dropped_are_found: DropsParkedEvents;
    waiting_events_that_are_dropped_are_found: DropsWhatWaits;
    hidden_parked_aggregates_are_found: HidesParkedAggregates;
    operators_that_are_ignored_are_found: IgnoresOperators;
    overlooked_conditions_are_found: OverlooksConditions;
    a_second_condition_that_is_overlooked_is_found: ChecksOneCondition;
    conditions_counted_from_the_start_are_found: CountsFromTheStart;
    a_late_frontier_is_found: ReportsALateFrontier;
    events_found_by_one_of_their_tags_are_found: FindsByOneTag;
    tags_without_their_index_are_found: IndexesTheFirstTag;
    tagged_pages_cut_short_are_found: CutsTaggedPages;
    completions_of_what_is_gone_are_found: CompletesWhatIsGone;
    completions_without_token_are_found: CompletesWithoutToken;
    a_naive_queue_is_found: CompletesAfterwards;
    tasks_given_twice_are_found: GivesTasksTwice::default();
    lost_tasks_are_found: LosesTasksBesideEvents;
    tasks_of_refused_commits_are_found: EnqueuesTooEarly;
    early_tasks_are_found: IgnoresDueTimes;
    tasks_claimed_beside_poison_are_found: ClaimsWithPoison;
    unchecked_keys_of_tasks_are_found: ChecksNoKeys;
    lost_leases_that_are_not_reported_are_found: HidesLostTasks;
    tasks_that_are_not_retried_are_found: RetriesNoTask;
    tasks_that_are_not_given_back_are_found: KeepsTasks;
    ignored_operators_of_queues_are_found: IgnoresOperatorsOfQueues;
}

/// A difference that the engine without a fault shows as well would make the findings above worthless.
#[test]
fn the_sound_engine_does_what_the_model_does_in_the_same_sequences() {
    let explored = explorer().sequences(100).explore(|| Faulty::new(Sound));
    println!("{}", explored.unwrap_or_else(|found| panic!("{found}")));
}

/// No fault: an engine that lacks a capability.
#[derive(Debug)]
struct Without(Capability);

#[async_trait]
impl Fault for Without {
    fn capabilities(&self, engine: &MemoryEngine) -> Capabilities {
        engine.capabilities().without(self.0)
    }
}

#[test]
fn an_engine_without_tags_is_asked_for_no_boundary() {
    let without = || Faulty::new(Without(Capability::Tags));
    let explored = explorer().sequences(20).explore(without);
    println!("{}", explored.unwrap_or_else(|found| panic!("{found}")));
}

#[test]
fn an_engine_without_tasks_is_given_none() {
    let without = || Faulty::new(Without(Capability::Tasks));
    let explored = explorer().sequences(20).explore(without);
    println!("{}", explored.unwrap_or_else(|found| panic!("{found}")));
}

#[test]
fn a_conflict_hidden_by_the_cache_is_found() {
    assert_found(explorer().cached(), BelievesTheCache::default);
}

#[test]
fn a_counterexample_is_shortened() {
    let found = explorer().shorten(1_000).explore(|| Faulty::new(OverlooksGuards));
    let found = found.expect_err("it is found");
    println!("{found}");
    // An aggregate to guard, those before it, and an overtaken guard.
    assert!(found.commands() <= 4, "{found}");
}

#[test]
fn a_counterexample_with_tasks_is_shortened() {
    let found = explorer().shorten(1_000).explore(|| Faulty::new(CompletesWhatIsGone));
    let found = found.expect_err("it is found");
    println!("{found}");
    // A task, a claim, a change that takes the task away, and its completion.
    assert!(found.commands() <= 6, "{found}");
}
