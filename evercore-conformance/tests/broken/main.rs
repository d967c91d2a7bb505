//! The suite detects faulty engines: each engine has one fault, and certain cases must fail on it.
//!
//! `cargo test -p evercore-conformance --test broken -- --nocapture` shows which case detected which fault, with its
//! message.

mod command_faults;
mod committing;
mod crowd;
mod drops;
mod engine;
mod inspection_faults;
mod machine;
mod name_faults;
mod read_faults;
mod subscription_faults;
mod tag_faults;
mod task_faults;
mod value_faults;
mod write_faults;

use command_faults::{
    ListsByTimeAlone, LosesOutcomesBesideEvents, LosesOutcomesOfRejections,
    RecordsOutcomesTooEarly, RemovesNoOutcomes,
};
use engine::{Fault, Faulty, Sound};
use evercore_conformance::{Case, cases, conformance};
use inspection_faults::{
    ForgetsHashes, ForgetsOneEventsHash, ForgetsWhatWasGiven, HidesSnapshots, ReadsTooFar,
    ShowsAnOldHead, SkipsBetweenPages,
};
use name_faults::Splices;
use read_faults::{
    AppliesTwice, ConfusesEventTypes, CutsPayloads, DeclaresViews, DropsMetadata,
    ForgetsAggregateTypes, ForgetsCodecs, ForgetsCompression, ForgetsEventNames, ForgetsVersions,
    GivesAnySnapshot, IgnoresLimits, MistakesTypes, RoundsTimes, SeesLaterCommits, SkipsASequence,
    SkipsInTheLog,
};
use subscription_faults::{
    ConfusesLanes, CountsAlways, DropsParkedEvents, DropsWhatWaits, FindsAllNew, ForgetsReasons,
    ForgetsRedriveTimes, ForgetsTheToken, ForgetsWhereFrom, GivesLeasesTwice, GivesPagesTwice,
    HidesLostLeases, HidesParkedAggregates, IgnoresFilters, IgnoresLanes, IgnoresOperators,
    IgnoresPartitions, KeepsLeases, ParksDiscardedEvents, ReadsBackwards, SkipsMatches,
    StandsStill, WakesNoWatcher,
};
use tag_faults::{
    ChecksConditionsTooEarly, ChecksOneCondition, CompletesAtOnce, CountsFromTheStart,
    CutsTaggedPages, FindsByOneTag, ForgetsTheVersion, ForgetsWhereItWas, IndexesTheFirstTag,
    OverlooksConditions, RecordsWithoutTags, ReportsALateFrontier, WaitsForNoCommit,
};
use task_faults::{
    ChecksNoKeys, ClaimsWithPoison, CompletesAfterwards, CompletesWhatIsGone,
    CompletesWithoutToken, EnqueuesTooEarly, GivesTasksTwice, HidesLostTasks, IgnoresDueTimes,
    IgnoresOperatorsOfQueues, KeepsTasks, LosesReturns, LosesReturnsOfDiscarded,
    LosesTasksBesideEvents, RetriesNoTask,
};
use value_faults::{
    ChangesOneByOne, ChecksValuesTooEarly, ClaimsBesideCommits, ClaimsNothing, DeclaresInSilence,
    FoldsValues, KeepsRefusedClaims, KeepsReleased,
};
use write_faults::{
    AcceptsTheFuture, AcknowledgesTooEarly, AsksForTheKeyLast, BelievesTheCache, CutsKeys,
    FailsNeighbours, FoldsKeys, ForgetsAtTheEnd, ForgetsTheFence, ForgetsTheFenceAtTheEnd,
    GivesIdsTwice, KeepsRefusedSnapshots, LandsInPart, LandsInPartWhenDropped, LandsTwice,
    LooksForTheKeyFirst, LosesUpdates, OverlooksGuards, OverlooksIdempotency, OverlooksKeyChanges,
    SharesKeys, SharesKeysAmongTypes, StaysOpen,
};

/// The same engine without a fault passes all cases.
mod sound {
    use super::*;

    conformance!(Faulty::new(Sound));
}

/// Asserts that an engine with the fault fails each of these cases.
fn assert_caught<F: Fault>(make: impl Fn() -> F, by: &[&str]) {
    for name in by {
        let case = case(name);
        match case.run(Faulty::new(make())) {
            Err(failure) => println!("{:?} is caught by {failure}", make()),
            Ok(_) => panic!("{case} passes on an engine with the fault {:?}", make()),
        }
    }
}

fn case(name: &str) -> &'static Case {
    let is_it = |case: &&Case| case.to_string() == name;
    cases().iter().find(is_it).unwrap_or_else(|| panic!("there is no case {name}"))
}

macro_rules! caught {
    ($($sentence:ident: $fault:expr => [$($case:literal),+ $(,)?];)+) => {
        $(
            #[test]
            fn $sentence() {
                assert_caught(|| $fault, &[$($case),+]);
            }
        )+
    };
}

caught! {
    lost_updates_are_caught: LosesUpdates => [
        "p4::a_stale_write_is_a_conflict",
        "p4::racing_writers_lose_no_acknowledged_update",
        "p4::of_writers_with_one_expectation_one_wins",
        "p4::no_stream_refuses_an_aggregate_with_events",
        "p4::without_retries_the_first_conflict_is_the_answer",
    ];
    an_expectation_of_the_future_is_caught: AcceptsTheFuture => [
        "p4::an_expectation_too_low_or_too_high_is_a_conflict",
    ];
    an_overlooked_key_change_is_caught: OverlooksKeyChanges => [
        "p4::a_key_change_conflicts_with_a_decision_on_the_old_key",
    ];
    overlooked_guards_are_caught: OverlooksGuards => [
        "p4::a_guard_conflicts_if_the_aggregate_changed",
        "p4::a_context_of_nothing_but_guards_is_checked",
        "p4::guards_prevent_write_skew",
    ];
    a_conflict_hidden_by_the_cache_is_caught: BelievesTheCache::default() => [
        "cached::contract::a_stale_state_is_decided_on_anew",
        "cached::contract::an_aggregate_that_is_only_read_is_guarded",
        "cached::contract::a_key_that_moved_leads_to_its_new_holder",
        "cached::p4::racing_processes_lose_no_acknowledged_update",
    ];
    an_unguarded_aggregate_in_the_cache_is_caught: OverlooksGuards => [
        "cached::contract::an_aggregate_that_is_only_read_is_guarded",
    ];
    a_verdict_for_the_neighbour_is_caught: FailsNeighbours::default() => [
        "p4::a_conflict_in_a_group_does_not_fail_its_neighbours",
    ];
    a_partial_commit_is_caught: LandsInPart => [
        "p1::a_conflict_on_one_aggregate_leaves_nothing_of_the_others",
        "p1::a_commit_that_names_an_unknown_aggregate_leaves_nothing",
        "p5::a_taken_key_refuses_the_whole_commit",
    ];
    a_partial_commit_of_a_dropped_future_is_caught: LandsInPartWhenDropped => [
        "p1::a_context_dropped_at_any_await_point_lands_whole_or_not_at_all",
        "p1::a_commit_dropped_at_any_await_point_lands_whole_or_not_at_all",
        "p1::concurrent_transfers_keep_the_sum_in_every_view",
    ];
    a_commit_acknowledged_too_early_is_caught: AcknowledgesTooEarly::default() => [
        "p2::acknowledged_commits_are_there_for_the_next_process",
        "p2::racing_acknowledged_commits_are_there_exactly_once",
    ];
    a_commit_that_lands_twice_is_caught: LandsTwice => [
        "p2::a_commit_sent_twice_lands_once",
    ];
    a_forgotten_fence_is_caught: ForgetsTheFence::default() => [
        "p2::a_commit_given_up_never_lands",
    ];
    overlooked_idempotency_keys_are_caught: OverlooksIdempotency => [
        "p2::a_repeated_command_writes_nothing_and_is_answered_as_the_first",
        "p2::racing_repetitions_come_true_once",
        "p2::a_key_of_another_command_or_aggregate_is_refused",
        "p2::a_used_key_in_a_group_does_not_fail_its_neighbours",
        "p2::a_request_that_changes_nothing_keeps_its_answer",
    ];
    a_key_that_is_looked_for_too_early_is_caught: LooksForTheKeyFirst => [
        "p2::racing_repetitions_come_true_once",
    ];
    a_key_that_is_asked_for_too_late_is_caught: AsksForTheKeyLast => [
        "p2::a_used_key_is_told_before_a_conflict",
        "p2::a_repeated_command_writes_nothing_and_is_answered_as_the_first",
    ];
    a_log_that_ends_with_the_process_is_caught: ForgetsAtTheEnd => [
        "p2::acknowledged_commits_are_there_for_the_next_process",
        "p2::racing_acknowledged_commits_are_there_exactly_once",
        "p2::closing_loses_no_acknowledged_commit",
        "p2::a_landed_commit_is_found_with_its_positions",
        "contract::ids_are_not_given_again_to_the_next_process",
        "contract::two_engines_see_each_others_commits",
    ];
    a_fence_that_ends_with_the_process_is_caught: ForgetsTheFenceAtTheEnd::default() => [
        "p2::a_commit_given_up_never_lands",
    ];
    a_skipped_sequence_is_caught: SkipsASequence => [
        "p3::sequences_have_no_holes_under_racing_writers",
        "p3::sequences_have_no_holes_after_conflicts_and_failures",
        "p3::racing_appends_in_any_state_are_numbered_without_holes",
        "p3::the_engine_gives_the_sequence_where_none_was_expected",
    ];
    a_key_of_two_is_caught: SharesKeys => [
        "p5::of_racing_creators_of_a_key_one_wins",
        "p5::racing_load_or_create_makes_one_aggregate",
        "p5::a_taken_key_refuses_the_whole_commit",
        "p5::a_commit_that_gives_one_key_to_two_is_refused",
    ];
    one_index_of_keys_for_all_types_is_caught: SharesKeysAmongTypes => [
        "p5::two_types_may_use_the_same_key",
    ];
    unclaimed_values_are_caught: ClaimsNothing => [
        "p5::of_racing_claims_of_a_value_one_wins",
        "p5::a_taken_value_refuses_the_whole_commit",
        "p5::an_aggregate_has_several_values_of_one_name",
    ];
    values_that_are_kept_are_caught: KeepsReleased => [
        "p5::a_changed_or_released_value_is_free",
        "p5::a_released_value_can_be_claimed_in_the_same_context",
        "p5::two_aggregates_can_swap_their_values",
    ];
    values_checked_before_the_lock_are_caught: ChecksValuesTooEarly::default() => [
        "p5::of_racing_claims_of_a_value_one_wins",
        "p5::of_racing_changes_to_a_value_one_wins",
    ];
    values_changed_one_by_one_are_caught: ChangesOneByOne => [
        "p5::two_aggregates_can_swap_their_values",
        "p5::values_can_move_along_a_chain",
    ];
    folded_values_are_caught: FoldsValues => ["p5::values_compare_byte_for_byte"];
    a_claim_of_a_refused_commit_is_caught: KeepsRefusedClaims => [
        "p5::a_taken_value_refuses_the_whole_commit",
    ];
    a_name_of_values_without_a_new_version_is_caught: DeclaresInSilence::default() => [
        "p5::a_running_older_program_is_refused_once_a_name_is_declared",
        "p5::a_first_aggregate_of_an_older_program_is_refused",
        "p5::an_older_program_may_write_what_has_no_values",
    ];
    values_that_are_claimed_beside_commits_are_caught: ClaimsBesideCommits::default() => [
        "p5::each_value_is_claimed_beside_older_writers",
    ];
    folded_keys_are_caught: FoldsKeys => ["p5::keys_compare_byte_for_byte"];
    an_event_applied_twice_is_caught: AppliesTwice => [
        "p6::snapshot_plus_tail_is_full_replay_at_every_sequence",
        "p6::a_commit_decided_on_a_snapshot_goes_on_from_it",
        "p6::a_fitting_snapshot_comes_with_the_load",
    ];
    a_snapshot_that_does_not_fit_is_caught: GivesAnySnapshot::default() => [
        "p6::a_snapshot_of_another_fingerprint_is_a_miss",
        "p6::a_state_of_the_past_uses_no_later_snapshot",
        "p6::a_view_uses_no_snapshot_that_is_newer_than_itself",
        "contract::a_context_reads_the_same_again_past_a_new_snapshot",
    ];
    a_snapshot_of_a_refused_commit_is_caught: KeepsRefusedSnapshots => [
        "p6::a_refused_commit_leaves_no_snapshot",
        "p1::a_conflict_on_one_aggregate_leaves_nothing_of_the_others",
    ];
    a_mistaken_type_is_caught: MistakesTypes => ["p12::an_aggregate_of_another_type_is_named"];
    a_capability_that_is_not_there_is_caught: DeclaresViews => [
        "contract::an_operation_that_is_not_declared_is_unsupported",
        "p12::a_page_of_no_events_is_refused",
    ];
    pages_without_a_limit_are_caught: IgnoresLimits => [
        "p13::no_answer_is_larger_than_the_limit_asked_for",
        "p13::a_store_caps_pages_at_its_limit",
        "p13::limits_are_finite_by_default",
    ];
    a_view_that_sees_later_commits_is_caught: SeesLaterCommits => [
        "contract::a_view_does_not_see_later_commits",
        "contract::a_view_is_of_the_moment_it_was_opened",
    ];
    a_log_that_skips_is_caught: SkipsInTheLog => [
        "contract::pages_of_any_size_give_each_event_once",
        "contract::a_reader_that_follows_the_log_misses_nothing",
    ];
    rounded_times_are_caught: RoundsTimes => [
        "contract::every_option_of_an_event_comes_back_unchanged",
        "contract::times_are_kept_to_the_microsecond",
        "contract::an_aggregate_is_loaded_as_of_a_time",
    ];
    dropped_metadata_are_caught: DropsMetadata => [
        "contract::every_option_of_an_event_comes_back_unchanged",
        "contract::every_part_of_the_metadata_is_kept",
        "contract::an_event_has_its_own_metadata_then_the_contexts_then_the_tasks",
    ];
    cut_keys_are_caught: CutsKeys => ["p12::a_key_of_the_longest_length_is_fine"];
    spliced_values_are_caught: Splices => [
        "p12::a_natural_key_is_stored_unchanged",
        "p12::labels_are_stored_unchanged",
        "p12::similar_idempotency_keys_are_told_apart",
        "p12::similar_subscription_names_are_kept_apart",
        "p12::type_names_are_stored_unchanged",
    ];
    cut_payloads_are_caught: CutsPayloads => ["p12::the_largest_payload_by_default_is_stored"];
    forgotten_codecs_are_caught: ForgetsCodecs => [
        "contract::payloads_of_every_format_come_back_as_they_were",
        "contract::a_log_of_several_codecs_is_read_as_one",
        "contract::a_compressed_payload_is_read_as_any_other",
    ];
    forgotten_compression_is_caught: ForgetsCompression => [
        "contract::payloads_of_every_format_come_back_as_they_were",
        "contract::a_compressed_payload_is_read_as_any_other",
    ];
    confused_event_types_are_caught: ConfusesEventTypes => ["contract::the_log_holds_all_types"];
    forgotten_event_names_are_caught: ForgetsEventNames => [
        "p12::an_event_of_an_unknown_name_is_named",
        "p12::an_event_under_its_old_name_is_read",
    ];
    forgotten_aggregate_types_are_caught: ForgetsAggregateTypes => [
        "contract::a_renamed_type_keeps_its_stored_name",
        "contract::the_stored_types_are_known_to_all",
        "contract::an_older_event_is_read_in_its_present_shape",
    ];
    forgotten_versions_are_caught: ForgetsVersions => [
        "p12::an_event_of_an_unknown_version_is_named",
    ];
    a_forgotten_version_of_the_declarations_is_caught: ForgetsTheVersion => [
        "p14::a_running_older_program_is_refused_once_tags_are_given",
        "p14::a_first_event_of_an_older_program_is_refused",
        "p14::a_tag_that_is_retired_refuses_what_rests_on_it",
        "p5::a_running_older_program_is_refused_once_a_name_is_declared",
    ];
    a_backfill_that_waits_for_no_commit_is_caught: WaitsForNoCommit => [
        "p14::no_decision_misses_an_event_beside_older_writers",
    ];
    a_tag_that_is_complete_too_early_is_caught: CompletesAtOnce => [
        "p14::older_events_are_refused_until_they_have_their_tags",
        "p14::a_subscription_by_an_incomplete_tag_is_refused",
    ];
    tags_that_are_not_stored_are_caught: RecordsWithoutTags => [
        "p14::older_events_are_refused_until_they_have_their_tags",
        "p14::older_events_are_found_by_the_tags_of_their_present_shape",
    ];
    a_backfill_that_begins_again_is_caught: ForgetsWhereItWas => [
        "p14::a_backfill_that_was_stopped_goes_on_where_it_was",
    ];
    overlooked_conditions_are_caught: OverlooksConditions => [
        "p14::a_decision_conflicts_with_another_event_of_its_boundary",
        "p14::a_first_event_of_its_type_is_a_conflict_as_well",
        "p14::a_boundary_that_was_read_twice_must_be_the_same",
        "p14::a_condition_counts_what_was_seen_beyond_its_position",
        "p14::a_storm_never_overfills_a_course",
        "p14::no_decision_is_stale_in_the_order_of_the_log",
    ];
    conditions_that_are_checked_too_early_are_caught: ChecksConditionsTooEarly => [
        "p14::each_commit_of_a_group_is_judged_after_those_before_it",
        "p14::no_decision_is_stale_in_the_order_of_the_log",
    ];
    a_second_condition_that_is_overlooked_is_caught: ChecksOneCondition => [
        "p14::each_boundary_of_a_decision_is_checked",
    ];
    a_condition_that_counts_too_much_is_caught: CountsFromTheStart => [
        "p14::a_condition_counts_what_was_seen_beyond_its_position",
    ];
    a_frontier_that_is_too_late_is_caught: ReportsALateFrontier => [
        "p14::a_decision_conflicts_with_another_event_of_its_boundary",
        "p14::pages_of_tagged_events_give_each_once",
        "p14::no_decision_is_stale_in_the_order_of_the_log",
    ];
    events_that_are_found_by_one_tag_of_two_are_caught: FindsByOneTag => [
        "p14::an_event_matches_by_its_type_and_all_tags",
        "p14::pages_of_tagged_events_give_each_once",
    ];
    a_tag_without_its_index_is_caught: IndexesTheFirstTag => [
        "p14::tags_come_back_with_their_events",
        "p14::an_event_matches_by_its_type_and_all_tags",
        "p14::a_commit_of_many_tagged_events_lands",
    ];
    a_page_of_tagged_events_that_is_cut_is_caught: CutsTaggedPages => [
        "p14::pages_of_tagged_events_give_each_once",
        "p14::a_commit_of_many_tagged_events_lands",
    ];
    ids_given_twice_are_caught: GivesIdsTwice => [
        "contract::reserved_blocks_do_not_overlap",
        "contract::no_two_aggregates_have_one_id",
    ];
    a_skipped_match_is_caught: SkipsMatches => [
        "p7::a_filter_passes_what_it_names_and_nothing_else",
        "p7::a_subscription_misses_nothing_of_racing_writers",
    ];
    parked_events_that_are_always_counted_are_caught: CountsAlways => [
        "p10::a_look_at_the_leases_leaves_out_what_waits",
    ];
    ignored_filters_are_caught: IgnoresFilters => [
        "p7::a_filter_passes_what_it_names_and_nothing_else",
        "p7::a_type_that_comes_later_is_followed",
        "p7::a_changed_filter_leaves_nothing_of_the_old_one",
    ];
    ignored_partitions_are_caught: IgnoresPartitions => [
        "p7::a_filter_passes_what_it_names_and_nothing_else",
        "p10::partitions_are_shared_among_workers",
    ];
    ignored_lanes_are_caught: IgnoresLanes => [
        "p7::a_partition_has_the_events_of_its_lanes",
        "p8::the_order_of_a_lane_holds_across_commits_and_workers",
    ];
    confused_lanes_are_caught: ConfusesLanes => [
        "p11::a_parked_event_holds_back_its_lane_and_nothing_else",
        "p11::a_parked_event_holds_back_its_aggregate_and_nothing_else",
        "p11::the_events_of_a_lane_are_redriven_in_order",
    ];
    a_page_that_leads_nowhere_is_caught: StandsStill => [
        "p7::a_page_without_a_match_leads_to_the_last_event",
    ];
    a_backward_reader_is_caught: ReadsBackwards => [
        "p7::a_subscription_misses_nothing_of_racing_writers",
        "p8::an_ephemeral_handler_is_given_everything_in_order",
        "p8::the_order_of_an_aggregate_holds_in_partitions",
    ];
    a_page_given_twice_is_caught: GivesPagesTwice => [
        "p7::pages_that_were_read_ahead_are_handled_once",
    ];
    a_lost_lease_that_is_not_reported_is_caught: HidesLostLeases => [
        "p10::a_prefetched_page_is_dropped_with_the_lease",
    ];
    a_hidden_parked_aggregate_is_caught: HidesParkedAggregates => [
        "p11::prefetched_events_wait_behind_parked_ones",
    ];
    an_engine_that_wakes_no_watcher_is_caught: WakesNoWatcher => [
        "p7::a_commit_wakes_subscriptions",
    ];
    a_lease_given_twice_is_caught: GivesLeasesTwice => [
        "p10::a_lease_is_held_by_one",
        "p10::racing_workers_get_one_lease",
    ];
    a_forgotten_token_is_caught: ForgetsTheToken => [
        "p10::a_worker_that_lost_the_lease_moves_nothing",
        "p10::a_lease_of_a_deleted_subscription_is_of_no_use",
        "p10::a_lease_ends_when_what_is_followed_changes",
    ];
    a_forgotten_place_is_caught: ForgetsWhereFrom => [
        "p10::a_settlement_from_elsewhere_is_refused",
    ];
    an_old_subscription_that_is_announced_as_new_is_caught: FindsAllNew => [
        "p10::registering_tells_whether_the_subscription_is_new",
    ];
    a_kept_lease_is_caught: KeepsLeases => [
        "p10::a_lease_is_held_by_one",
        "p9::a_shut_down_worker_finishes_its_batch",
    ];
    dropped_parked_events_are_caught: DropsParkedEvents => [
        "p11::a_failing_batch_is_searched_for_the_event",
        "p11::a_parked_event_holds_back_its_aggregate_and_nothing_else",
        "p11::parked_events_are_redriven_in_order",
        "p11::an_undecodable_event_is_not_passed_over",
    ];
    dropped_events_behind_a_parked_one_are_caught: DropsWhatWaits => [
        "p11::a_parked_event_holds_back_its_aggregate_and_nothing_else",
        "p11::parked_events_are_redriven_in_order",
    ];
    forgotten_times_of_redrives_are_caught: ForgetsRedriveTimes => [
        "p11::a_parked_event_is_redriven_by_itself_as_often_as_told",
    ];
    a_discarded_event_that_is_parked_again_is_caught: ParksDiscardedEvents => [
        "p11::an_event_discarded_during_its_redrive_holds_nothing_back",
    ];
    forgotten_reasons_of_discards_are_caught: ForgetsReasons => [
        "p11::a_discarded_event_is_kept_with_its_reason",
    ];
    ignored_operators_are_caught: IgnoresOperators => [
        "contract::a_reset_subscription_goes_on_from_there",
        "contract::a_reset_forgets_what_was_parked",
        "p12::an_unknown_subscription_is_named",
    ];
    an_inspection_that_skips_between_pages_is_caught: SkipsBetweenPages => [
        "contract::inspected_pages_hold_each_row_once",
        "contract::a_sound_store_is_found_clean_in_pages_of_any_size",
    ];
    an_inspection_that_reads_too_far_is_caught: ReadsTooFar => [
        "contract::inspected_pages_hold_each_row_once",
    ];
    hidden_snapshots_are_caught: HidesSnapshots => [
        "contract::a_snapshot_that_is_not_its_events_is_found",
        "contract::a_sound_store_is_found_clean_in_pages_of_any_size",
    ];
    a_false_alarm_is_caught: ShowsAnOldHead => [
        "contract::a_sound_store_is_found_clean_in_pages_of_any_size",
    ];
    forgotten_numbers_are_caught: ForgetsWhatWasGiven => [
        "contract::the_last_numbers_are_not_behind_those_in_use",
        "contract::a_sound_store_is_found_clean_in_pages_of_any_size",
    ];
    forgotten_hashes_are_caught: ForgetsHashes => [
        "contract::every_way_of_writing_goes_on_with_the_chain",
        "contract::racing_writers_keep_the_chain",
        "contract::a_digest_holds_for_as_long_as_its_events_do",
    ];
    a_forgotten_hash_is_caught: ForgetsOneEventsHash => [
        "contract::every_way_of_writing_goes_on_with_the_chain",
        "contract::racing_writers_keep_the_chain",
        "cached::contract::every_way_of_writing_goes_on_with_the_chain",
    ];
    a_completion_without_token_is_caught: CompletesWithoutToken => [
        "p15::the_commit_of_a_lost_lease_is_refused",
    ];
    a_naive_queue_is_caught: CompletesAfterwards => [
        "p15::every_task_of_a_storm_takes_effect_once",
        "p15::the_commit_of_a_lost_lease_is_refused",
    ];
    a_completion_of_what_is_gone_is_caught: CompletesWhatIsGone => [
        "p15::the_commit_of_a_lost_lease_is_refused",
        "p15::a_task_that_is_cancelled_or_replaced_cannot_be_completed",
    ];
    a_task_given_twice_is_caught: GivesTasksTwice::default() => [
        "p15::tasks_are_claimed_by_priority_and_then_by_time",
        "p15::a_slow_task_is_done_once",
    ];
    a_lost_task_is_caught: LosesTasksBesideEvents => [
        "p15::a_task_exists_if_and_only_if_its_commit_lands",
        "p15::every_task_of_a_storm_takes_effect_once",
    ];
    a_task_of_a_refused_commit_is_caught: EnqueuesTooEarly => [
        "p15::a_task_exists_if_and_only_if_its_commit_lands",
        "p15::every_task_of_a_storm_takes_effect_once",
    ];
    an_early_task_is_caught: IgnoresDueTimes => [
        "p15::a_task_does_not_begin_before_its_time",
        "p15::every_task_of_a_storm_takes_effect_once",
    ];
    a_poison_task_that_takes_others_along_is_caught: ClaimsWithPoison => [
        "p15::a_task_whose_lease_has_ended_is_claimed_alone",
    ];
    unchecked_keys_of_tasks_are_caught: ChecksNoKeys => [
        "p15::a_key_belongs_to_one_task_of_a_queue",
        "p15::racing_keys_in_opposite_orders_end",
    ];
    a_lost_task_that_is_not_reported_is_caught: HidesLostTasks => [
        "p15::the_commit_of_a_lost_lease_is_refused",
        "p15::a_task_that_is_cancelled_or_replaced_cannot_be_completed",
    ];
    a_task_that_is_not_retried_is_caught: RetriesNoTask => [
        "p15::a_task_that_fails_is_given_again_and_dies",
    ];
    a_lost_return_is_caught: LosesReturns => [
        "p15::a_task_that_dies_comes_back_once",
        "p15::a_command_that_dies_comes_back_to_its_sender",
    ];
    a_lost_return_of_a_discarded_command_is_caught: LosesReturnsOfDiscarded => [
        "p15::a_command_that_is_discarded_comes_back_to_its_sender",
    ];
    tasks_that_are_not_given_back_are_caught: KeepsTasks => [
        "p15::a_task_that_was_given_back_has_lost_no_attempt",
    ];
    ignored_operators_of_queues_are_caught: IgnoresOperatorsOfQueues => [
        "p15::a_paused_queue_gives_nothing_until_it_is_resumed",
        "p15::dead_tasks_are_retried_and_discarded",
    ];
    an_outcome_without_its_commit_is_caught: RecordsOutcomesTooEarly => [
        "p15::a_worker_without_a_lease_lands_neither_events_nor_an_outcome",
    ];
    a_lost_outcome_of_a_rejection_is_caught: LosesOutcomesOfRejections => [
        "p15::a_rejected_command_is_done_and_recorded",
        "p15::a_command_that_changes_nothing_lands",
    ];
    a_lost_outcome_is_caught: LosesOutcomesBesideEvents => [
        "p15::a_command_lands_with_its_events_and_its_outcome",
        "p15::a_worker_without_a_lease_lands_neither_events_nor_an_outcome",
    ];
    a_list_of_other_commands_is_caught: ListsByTimeAlone => [
        "p15::the_command_log_is_listed_page_by_page",
    ];
    outcomes_that_are_not_removed_are_caught: RemovesNoOutcomes => [
        "p15::old_outcomes_are_removed",
    ];
    an_engine_that_stays_open_is_caught: StaysOpen => ["contract::a_closed_store_says_so"];
}
