//! The only list of cases, by promise and file.

mod administration;
mod atomicity;
mod bad_input;
mod boundaries;
mod caching;
mod capabilities;
mod causes;
mod chaining;
mod codecs;
mod commands;
mod conflicts;
mod durability;
mod evolution;
mod failures;
mod following;
mod foreign_events;
mod guards;
mod histories;
mod idempotency;
mod ids;
mod keys;
mod lanes;
mod leases;
mod lifecycle;
mod limits;
mod log;
mod metadata;
mod nesting;
mod observations;
mod once;
mod pages;
mod races;
mod reading_ahead;
mod sequences;
mod snapshots;
mod special_characters;
mod staging;
mod stopping;
mod storms;
mod tagging;
mod tasks;
mod time_limits;
mod unique_values;
mod verification;
mod views;

use crate::Case;
use crate::fixture::Setting;

/// Passes the list to another macro of this crate, after the given arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_cases {
    ($then:ident $($before:tt)*) => {
        $crate::__with_cases_of_writing! { __with_all_cases $then [$($before)*] }
    };
}

/// The cases that run with and without cached aggregates.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_cases_of_writing {
    ($then:ident $($pass:tt)*) => {
        $crate::$then! {
            {
                p1 {
                    atomicity {
                        a_context_over_several_aggregates_lands_whole
                        a_conflict_on_one_aggregate_leaves_nothing_of_the_others
                        a_commit_that_names_an_unknown_aggregate_leaves_nothing
                        a_closure_that_fails_after_staging_leaves_no_trace
                        a_context_dropped_at_any_await_point_lands_whole_or_not_at_all
                        a_commit_dropped_at_any_await_point_lands_whole_or_not_at_all
                        concurrent_transfers_keep_the_sum_in_every_view
                    }
                }
                p2 {
                    durability {
                        acknowledged_commits_are_there_for_the_next_process
                        racing_acknowledged_commits_are_there_exactly_once
                        closing_loses_no_acknowledged_commit
                        a_landed_commit_is_found_with_its_positions
                        a_commit_given_up_never_lands
                        a_refused_commit_never_lands
                        a_commit_sent_twice_lands_once
                        the_outcome_asked_for_beside_the_commit_is_the_outcome
                        the_outcome_of_a_dropped_commit_can_be_found
                    }
                    idempotency {
                        a_repeated_command_writes_nothing_and_is_answered_as_the_first
                        racing_repetitions_come_true_once
                        a_repetition_is_known_to_the_next_process
                        a_repetition_would_be_refused_and_is_answered
                        a_repeated_creation_creates_nothing
                        a_refused_command_leaves_its_key_free
                        a_command_that_emits_nothing_comes_true_as_well
                        a_key_of_another_command_or_aggregate_is_refused
                        a_used_key_is_told_before_a_conflict
                        a_used_key_in_a_group_does_not_fail_its_neighbours
                        a_key_without_a_landed_commit_is_found_nowhere
                    }
                    once {
                        a_repeated_request_is_answered_as_the_first
                        racing_requests_with_one_key_land_once
                        a_conflict_with_its_own_repetition_is_answered_as_that_is
                        a_failed_request_leaves_its_key_free
                        a_request_that_changes_nothing_keeps_its_answer
                        a_key_of_another_request_is_refused
                        a_result_that_cannot_be_given_again_is_refused
                    }
                }
                p3 {
                    sequences {
                        sequences_have_no_holes_under_racing_writers
                        sequences_have_no_holes_after_conflicts_and_failures
                        racing_appends_in_any_state_are_numbered_without_holes
                        each_aggregate_of_a_commit_counts_for_itself
                        the_engine_gives_the_sequence_where_none_was_expected
                        each_aggregate_is_numbered_where_no_sequence_was_expected
                        each_aggregate_counts_on_from_the_expected_sequence
                    }
                }
                p4 {
                    conflicts {
                        a_stale_write_is_a_conflict
                        a_rerun_decides_on_fresh_state
                        an_expectation_too_low_or_too_high_is_a_conflict
                        no_stream_refuses_an_aggregate_with_events
                        a_key_change_conflicts_with_a_decision_on_the_old_key
                        a_stale_key_change_is_a_conflict
                        an_aggregate_is_created_once
                        every_expectation_includes_existence_and_type
                        without_retries_the_first_conflict_is_the_answer
                        retries_are_bounded
                        a_context_run_once_is_not_run_again
                    }
                    races {
                        racing_writers_lose_no_acknowledged_update
                        racing_processes_lose_no_acknowledged_update
                        many_writers_of_one_key_all_land
                        a_crowd_of_writers_of_one_key_all_land
                        many_appends_to_one_chain_all_land
                        a_turn_is_not_waited_for_without_end
                        appending_in_any_state_is_no_way_to_read_and_write
                        of_writers_with_one_expectation_one_wins
                        a_conflict_in_a_group_does_not_fail_its_neighbours
                    }
                    guards {
                        a_guard_conflicts_if_the_aggregate_changed
                        a_guard_of_an_unchanged_aggregate_is_no_conflict
                        a_context_of_nothing_but_guards_is_checked
                        write_skew_is_possible_without_guards
                        guards_prevent_write_skew
                        racing_guards_keep_the_rule
                    }
                }
                p5 {
                    keys {
                        of_racing_creators_of_a_key_one_wins
                        racing_load_or_create_makes_one_aggregate
                        racing_appends_to_a_new_key_make_one_aggregate
                        two_types_may_use_the_same_key
                        a_changed_or_cleared_key_is_free
                        a_taken_key_refuses_the_whole_commit
                        a_commit_that_gives_one_key_to_two_is_refused
                        two_aggregates_can_swap_their_keys
                        keys_can_move_along_a_chain
                        a_freed_key_can_be_claimed_in_the_same_context
                        of_two_reads_of_a_moved_key_the_later_counts
                        a_claimed_key_can_be_taken_from_its_holder
                        an_aggregate_may_be_given_the_key_that_it_has
                        racing_claims_in_opposite_orders_end
                        keys_compare_byte_for_byte
                    }
                    unique_values {
                        of_racing_claims_of_a_value_one_wins
                        of_racing_changes_to_a_value_one_wins
                        racing_claims_of_two_values_in_opposite_orders_end
                        a_taken_value_refuses_the_whole_commit
                        a_changed_or_released_value_is_free
                        two_aggregates_can_swap_their_values
                        values_can_move_along_a_chain
                        a_released_value_can_be_claimed_in_the_same_context
                        only_the_last_state_of_a_context_claims
                        an_aggregate_has_several_values_of_one_name
                        a_context_finds_what_it_has_staged
                        an_invalid_value_refuses_the_commit
                        a_rerun_claims_by_the_state_that_it_has_loaded
                        a_stale_claim_is_a_conflict
                        a_value_that_stays_is_not_claimed_again
                        a_view_finds_values_as_of_its_moment
                        values_compare_byte_for_byte
                        an_engine_judges_changes_that_no_context_sends
                        values_of_older_aggregates_are_claimed_by_a_call
                        a_running_older_program_is_refused_once_a_name_is_declared
                        a_first_aggregate_of_an_older_program_is_refused
                        an_older_program_may_write_what_has_no_values
                        each_value_is_claimed_beside_older_writers
                    }
                }
                p6 {
                    snapshots {
                        snapshot_plus_tail_is_full_replay_at_every_sequence
                        a_commit_decided_on_a_snapshot_goes_on_from_it
                        a_fitting_snapshot_comes_with_the_load
                        a_snapshot_of_another_fingerprint_is_a_miss
                        an_undecodable_snapshot_is_a_miss
                        a_snapshot_comes_with_the_commit_that_crosses_the_line
                        a_refused_commit_leaves_no_snapshot
                        a_state_of_the_past_uses_no_later_snapshot
                        a_state_as_of_a_time_is_replayed
                        a_view_uses_no_snapshot_that_is_newer_than_itself
                        a_load_is_of_one_moment_while_snapshots_are_taken
                        a_long_tail_after_a_snapshot_is_read_in_pages
                        a_snapshot_that_would_not_restore_the_state_is_not_written
                    }
                }
            }
            $($pass)*
        }
    };
}

/// The other cases, and which of all cases run in which setting.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_all_cases {
    ({ $($writing:tt)* } $then:ident [$($before:tt)*]) => {
        $crate::$then! {
            $($before)*

            default {
                $($writing)*
                p7 {
                    following {
                        a_filter_passes_what_it_names_and_nothing_else
                        a_page_without_a_match_leads_to_the_last_event
                        rare_events_are_found_behind_many_others
                        a_type_that_comes_later_is_followed
                        a_subscription_misses_nothing_of_racing_writers
                        a_subscription_goes_on_where_it_was
                        a_stopped_subscription_has_stored_its_place
                        a_place_outlives_the_process
                        a_start_is_where_it_says
                        a_start_that_lies_ahead_is_refused
                        an_ephemeral_follower_misses_nothing
                        a_commit_wakes_subscriptions
                        a_changed_filter_leaves_nothing_of_the_old_one
                    }
                    lanes {
                        a_partition_has_the_events_of_its_lanes
                    }
                    reading_ahead {
                        pages_that_were_read_ahead_are_handled_once
                    }
                }
                p8 {
                    following {
                        an_ephemeral_handler_is_given_everything_in_order
                    }
                    lanes {
                        the_order_of_a_lane_holds_across_commits_and_workers
                        a_crowd_keeps_the_order_of_lanes
                    }
                    leases {
                        the_order_of_an_aggregate_holds_in_partitions
                    }
                }
                p9 {
                    failures {
                        unrecorded_batches_are_given_again
                    }
                    leases {
                        a_settlement_sent_twice_is_recorded_once
                        a_shut_down_worker_finishes_its_batch
                    }
                    reading_ahead {
                        a_slow_batch_does_not_hold_back_the_record
                        batches_to_be_recorded_together_come_again
                    }
                }
                p10 {
                    leases {
                        a_lease_is_held_by_one
                        racing_workers_get_one_lease
                        an_ended_lease_can_be_taken_over
                        a_renewed_lease_does_not_end
                        a_lease_may_be_as_long_as_a_duration
                        a_lease_that_ended_and_was_not_taken_can_be_renewed
                        a_worker_that_lost_the_lease_moves_nothing
                        a_settlement_from_elsewhere_is_refused
                        a_lease_of_a_deleted_subscription_is_of_no_use
                        a_lease_of_a_reset_subscription_is_of_no_use
                        a_lease_ends_when_what_is_followed_changes
                        registering_tells_whether_the_subscription_is_new
                        a_second_worker_is_refused_with_the_owners_name
                        a_worker_that_stands_by_takes_over_at_once
                        a_worker_that_is_gone_is_replaced_when_its_lease_ends
                        a_slow_handler_keeps_its_lease
                        a_handler_is_stopped_when_its_lease_is_lost
                        partitions_are_shared_among_workers
                        subscriptions_are_shared_among_processes
                        the_number_of_partitions_changes_when_idle
                        a_worker_that_asks_for_a_partition_gets_it
                        a_look_at_the_leases_leaves_out_what_waits
                        partitions_at_different_places_stay_as_they_are
                    }
                    reading_ahead {
                        a_prefetched_page_is_dropped_with_the_lease
                    }
                }
                p11 {
                    failures {
                        a_failing_handler_stops_at_the_event
                        a_failing_event_is_tried_again_as_often_as_told
                        a_failing_batch_is_searched_for_the_event
                        a_parked_event_holds_back_its_aggregate_and_nothing_else
                        parked_events_are_redriven_in_order
                        a_redriven_event_is_tried_as_often_as_a_new_one
                        one_parked_event_is_redriven_alone
                        a_discarded_event_is_kept_with_its_reason
                        a_parked_event_is_redriven_by_itself_as_often_as_told
                        repeated_redrives_hold_up_nothing_else
                        many_events_behind_a_parked_one_are_parked_and_redriven
                        a_wait_may_be_as_long_as_a_duration
                        an_undecodable_event_is_not_passed_over
                        a_panic_is_a_failure_like_any_other
                    }
                    lanes {
                        a_parked_event_holds_back_its_lane_and_nothing_else
                        the_events_of_a_lane_are_redriven_in_order
                        an_event_without_a_lane_is_a_failure
                    }
                    time_limits {
                        a_handler_that_hangs_at_an_event_fails_at_that_event
                        a_handler_of_two_parts_hangs_as_a_whole
                        a_handler_that_hangs_in_a_batch_fails
                        each_event_of_a_batch_has_its_own_time
                        a_handler_without_any_time_is_refused
                    }
                    leases {
                        only_events_to_redrive_are_reported
                        an_event_discarded_during_its_redrive_holds_nothing_back
                    }
                    reading_ahead {
                        prefetched_events_wait_behind_parked_ones
                    }
                }
                p12 {
                    administration {
                        a_subscription_that_cannot_run_is_refused
                        an_unknown_subscription_is_named
                    }
                    bad_input {
                        a_key_that_is_empty_too_long_or_holds_a_nul_is_refused
                        a_key_of_the_longest_length_is_fine
                        an_unknown_id_or_key_is_named
                        an_aggregate_of_another_type_is_named
                        a_type_that_is_not_registered_is_refused
                        an_append_without_an_event_is_refused
                        metadata_over_its_limits_is_refused
                        metadata_that_could_not_be_read_again_are_refused
                        a_time_that_not_every_engine_can_store_is_refused
                        a_page_of_no_events_is_refused
                        a_handle_of_another_context_is_refused
                        a_handle_that_another_has_overtaken_is_refused
                        an_id_that_was_never_given_can_be_asked_for
                    }
                    lanes {
                        a_type_whose_events_have_no_lane_is_refused
                        lanes_change_while_nothing_is_parked
                    }
                    limits {
                        a_payload_over_the_limit_is_refused
                        too_many_events_are_refused
                        too_many_bytes_are_refused
                        too_many_aggregates_are_refused
                        a_refused_event_leaves_its_context_usable
                        the_largest_commit_by_default_lands
                        the_most_keys_of_a_commit_land
                        the_most_bytes_of_a_commit_land
                        the_largest_payload_by_default_is_stored
                        the_largest_snapshot_by_default_is_stored
                    }
                    special_characters {
                        a_natural_key_is_stored_unchanged
                        labels_are_stored_unchanged
                        similar_idempotency_keys_are_told_apart
                        similar_subscription_names_are_kept_apart
                        type_names_are_stored_unchanged
                    }
                    foreign_events {
                        an_event_of_an_unknown_name_is_named
                        an_event_of_an_unknown_version_is_named
                        an_event_under_its_old_name_is_read
                        an_undecodable_payload_is_named_with_its_field
                        events_of_another_program_are_followed_by_their_names
                    }
                }
                p13 {
                    pages {
                        an_aggregate_of_many_pages_is_replayed_in_order
                        no_answer_is_larger_than_the_limit_asked_for
                        a_store_caps_pages_at_its_limit
                        limits_are_finite_by_default
                    }
                }
                p14 {
                    boundaries {
                        tags_come_back_with_their_events
                        an_event_matches_by_its_type_and_all_tags
                        pages_of_tagged_events_give_each_once
                        a_decision_conflicts_with_another_event_of_its_boundary
                        each_boundary_of_a_decision_is_checked
                        a_decision_stands_beside_events_of_other_boundaries
                        a_first_event_of_its_type_is_a_conflict_as_well
                        an_unguarded_read_is_no_condition
                        a_boundary_that_was_read_twice_must_be_the_same
                        a_context_that_writes_nothing_rests_on_nothing
                        a_conflict_reruns_the_closure_on_what_is_there
                        a_boundary_and_aggregates_are_one_decision
                        an_idempotency_key_goes_before_a_condition
                        a_condition_counts_what_was_seen_beyond_its_position
                        each_commit_of_a_group_is_judged_after_those_before_it
                        a_storm_never_overfills_a_course
                        no_decision_is_stale_in_the_order_of_the_log
                        a_commit_of_many_tagged_events_lands
                        a_boundary_has_a_bounded_number_of_events
                        a_view_reads_boundaries_as_of_its_moment
                        a_filter_passes_the_events_that_have_its_tags
                        a_subscription_follows_a_tag
                        pages_by_tags_end_at_the_frontier_and_go_on
                        a_stale_decision_that_takes_a_key_is_run_again
                        overlapping_boundaries_of_a_process_all_land
                        alternatives_are_guarded_if_one_of_them_is
                        a_decision_emits_nothing_outside_of_its_boundaries
                        an_idempotency_key_is_of_its_boundaries
                    }
                    tagging {
                        a_tag_of_a_new_type_is_complete_at_once
                        older_events_are_refused_until_they_have_their_tags
                        older_events_are_found_by_the_tags_of_their_present_shape
                        a_running_older_program_is_refused_once_tags_are_given
                        a_first_event_of_an_older_program_is_refused
                        an_older_program_that_is_opened_again_is_refused
                        an_older_program_may_write_what_lacks_no_tag
                        no_decision_misses_an_event_beside_older_writers
                        a_backfill_that_was_stopped_goes_on_where_it_was
                        several_backfills_do_each_event_once
                        an_event_that_cannot_be_read_ends_a_backfill
                        a_tag_that_is_retired_refuses_what_rests_on_it
                        a_view_from_before_the_backfill_is_refused
                        a_subscription_by_an_incomplete_tag_is_refused
                        tags_that_were_given_later_pass_the_verification
                    }
                }
                p15 {
                    tasks {
                        a_task_exists_if_and_only_if_its_commit_lands
                        a_task_comes_back_as_it_was_enqueued
                        effects_and_completion_are_one_commit
                        the_commit_of_a_lost_lease_is_refused
                        a_task_does_not_begin_before_its_time
                        tasks_are_claimed_by_priority_and_then_by_time
                        a_key_belongs_to_one_task_of_a_queue
                        a_task_that_is_cancelled_or_replaced_cannot_be_completed
                        a_task_whose_lease_has_ended_is_claimed_alone
                        a_task_whose_lease_has_ended_runs_alone
                        a_task_that_was_given_back_has_lost_no_attempt
                        a_task_that_fails_is_given_again_and_dies
                        a_task_that_dies_comes_back_once
                        dead_tasks_are_retried_and_discarded
                        dead_tasks_are_changed_page_by_page
                        tasks_are_read_page_by_page
                        a_paused_queue_gives_nothing_until_it_is_resumed
                        a_slow_task_is_done_once
                        a_handler_that_takes_too_long_is_stopped
                        a_handler_whose_task_is_cancelled_is_stopped
                        a_worker_that_stops_gives_back_what_it_has_not_begun
                        a_task_wakes_a_worker
                        a_repeated_piece_of_work_is_completed_alone
                        a_task_of_an_unknown_type_dies_with_a_reason
                        metadata_are_carried_on_by_tasks
                        tasks_count_for_the_limits_of_a_commit
                        racing_keys_in_opposite_orders_end
                    }
                    storms {
                        every_task_of_a_storm_takes_effect_once
                    }
                    commands {
                        a_command_is_sent_if_and_only_if_its_commit_lands
                        a_command_lands_with_its_events_and_its_outcome
                        a_rejected_command_is_done_and_recorded
                        a_command_without_a_target_is_rejected
                        a_command_that_changes_nothing_lands
                        a_worker_without_a_lease_lands_neither_events_nor_an_outcome
                        a_command_waits_for_its_time
                        the_wait_for_an_outcome_ends_in_time
                        the_outcome_of_a_command_that_is_not_done
                        a_command_that_dies_comes_back_to_its_sender
                        a_command_that_comes_back_may_be_done_later
                        a_command_that_is_discarded_comes_back_to_its_sender
                        a_command_that_no_worker_can_read_comes_back
                        every_command_of_a_crowd_lands_once
                        the_command_log_is_listed_page_by_page
                        old_outcomes_are_removed
                        a_command_is_dispatched_to_the_aggregate_that_it_names
                    }
                }
                contract {
                    administration {
                        subscriptions_are_listed_with_what_they_do
                        a_paused_subscription_handles_nothing_until_resumed
                        a_reset_subscription_goes_on_from_there
                        a_reset_forgets_what_was_parked
                        a_deleted_subscription_is_gone
                        waiting_for_a_position_ends_when_it_is_handled
                    }
                    evolution {
                        an_older_event_is_read_in_its_present_shape
                        a_renamed_type_keeps_its_stored_name
                        the_stored_types_are_known_to_all
                        a_subscription_follows_what_its_types_were_called
                    }
                    failures {
                        events_of_a_handler_are_linked_to_their_cause
                    }
                    observations {
                        an_observer_is_told_of_commits_loads_and_reruns
                        an_observer_is_told_the_answer_to_a_commit_and_its_events
                        an_observer_is_told_of_commits_whose_callers_are_gone
                        an_observer_is_told_the_lag_of_a_worker
                        an_observer_is_told_what_a_handler_does
                    }
                    capabilities {
                        an_operation_that_is_not_declared_is_unsupported
                        several_aggregates_are_loaded_in_one_request
                    }
                    codecs {
                        payloads_of_every_format_come_back_as_they_were
                        a_log_of_several_codecs_is_read_as_one
                        a_compressed_payload_is_read_as_any_other
                        an_unreadable_payload_leaves_the_others_readable
                        an_event_that_would_not_come_back_leaves_all_as_it_was
                    }
                    staging {
                        a_context_sees_what_it_has_staged
                        a_context_sees_the_aggregates_that_it_creates
                        a_context_sees_the_keys_that_it_changes
                        a_context_reads_an_aggregate_the_same_each_time
                        a_context_reads_the_same_again_past_a_new_snapshot
                        an_aggregate_without_events_exists
                        a_context_that_only_reads_writes_nothing
                    }
                    views {
                        a_view_does_not_see_later_commits
                        a_view_is_of_the_moment_it_was_opened
                        keys_and_aggregates_agree_in_every_view
                        a_dropped_view_releases_what_it_holds
                        a_read_dropped_at_any_await_point_leaves_nothing_behind
                        an_empty_store_reads_as_empty
                    }
                    log {
                        positions_grow_and_follow_the_sequences
                        a_commit_begun_after_another_was_acknowledged_comes_later
                        the_answer_names_the_positions_in_the_log
                        pages_of_any_size_give_each_event_once
                        a_reader_that_follows_the_log_misses_nothing
                        events_are_read_by_their_correlation_id
                        the_log_holds_all_types
                        a_page_never_ends_past_what_was_read
                    }
                    histories {
                        history_comes_in_any_range
                        an_aggregate_is_loaded_as_of_a_sequence
                        an_aggregate_is_loaded_as_of_a_time
                    }
                    metadata {
                        every_option_of_an_event_comes_back_unchanged
                        every_part_of_the_metadata_is_kept
                        options_that_were_not_given_stay_empty
                        times_are_kept_to_the_microsecond
                        a_leap_second_is_the_second_after_it_from_the_beginning
                        time_is_taken_from_the_stores_clock
                        an_event_has_its_own_metadata_then_the_contexts_then_the_tasks
                        payloads_come_back_as_they_were
                    }
                    ids {
                        reserved_blocks_do_not_overlap
                        no_two_aggregates_have_one_id
                        ids_are_not_given_again_to_the_next_process
                    }
                    chaining {
                        every_way_of_writing_goes_on_with_the_chain
                        a_snapshot_goes_on_from_the_last_event_before_it
                        racing_writers_keep_the_chain
                        a_digest_holds_for_as_long_as_its_events_do
                        a_chain_begins_with_the_first_event_that_is_chained
                        an_event_that_was_not_chained_is_found
                        an_event_with_the_hash_of_another_is_found
                    }
                    nesting {
                        a_commit_inside_the_closure_of_a_context_is_refused
                        a_context_blocks_no_other_reader_or_writer
                    }
                    verification {
                        a_sound_store_is_found_clean_in_pages_of_any_size
                        writers_raise_no_alarm
                        an_unreadable_event_is_found_at_its_place
                        an_unclaimed_value_is_found
                        a_snapshot_that_is_not_its_events_is_found
                        a_snapshot_that_its_format_has_changed_is_found
                        an_event_of_an_unknown_type_is_counted
                        one_type_alone_is_looked_at_where_that_is_asked_for
                        findings_are_all_told_and_kept_up_to_a_bound
                        inspected_pages_hold_each_row_once
                        the_last_numbers_are_not_behind_those_in_use
                    }
                    causes {
                        a_worker_says_what_it_has_ended_with
                        a_worker_says_what_it_tries_again
                        a_failed_worker_is_not_waited_for
                        a_panicked_worker_is_not_waited_for
                        a_worker_that_cannot_start_is_not_waited_for
                        a_worker_that_was_dropped_is_not_waited_for
                        a_worker_that_failed_in_another_process_is_not_waited_for
                        one_that_another_worker_has_taken_over_is_waited_for
                        a_failure_that_another_process_has_mended_is_forgotten
                        no_wait_is_too_long_to_be_computed
                    }
                    stopping {
                        a_stop_is_heard_while_there_is_nothing_to_do
                        a_stop_is_heard_after_the_batch_that_is_handled
                        a_stop_is_heard_between_the_events_of_a_batch
                        a_slow_handler_is_recorded_between_its_events
                        a_stop_is_heard_while_another_worker_has_the_lease
                        a_stop_is_heard_before_a_failed_event_is_tried_again
                        a_stop_is_heard_while_one_event_after_another_is_parked
                        a_stop_is_heard_while_the_store_is_away
                        a_stop_is_heard_while_it_is_paused
                        a_pause_is_heard_before_a_failed_event_is_tried_again
                        a_closed_store_ends_its_workers
                    }
                    lifecycle {
                        migrating_again_changes_nothing
                        migrations_are_numbered_and_are_sql
                        a_store_can_be_opened_without_migrating
                        warming_up_writes_no_events
                        a_store_with_other_types_reads_the_same_data
                        two_engines_see_each_others_commits
                        a_closed_store_says_so
                    }
                }
            }
            cached {
                $($writing)*
                contract {
                    nesting {
                        a_commit_inside_the_closure_of_a_context_is_refused
                    }
                    caching {
                        a_stale_state_is_decided_on_anew
                        a_rejection_on_a_stale_state_is_judged_anew
                        an_error_on_a_stale_state_is_judged_anew
                        a_command_without_an_effect_is_decided_on_what_is_stored
                        a_context_that_writes_nothing_shows_no_stale_state
                        an_aggregate_that_is_only_read_is_guarded
                        a_key_that_moved_leads_to_its_new_holder
                        a_refused_commit_is_not_cached
                        a_dropped_context_leaves_nothing_wrong_behind
                        writes_past_the_cache_are_seen
                    }
                    chaining {
                        every_way_of_writing_goes_on_with_the_chain
                        racing_writers_keep_the_chain
                    }
                    staging {
                        a_context_sees_what_it_has_staged
                        a_context_sees_the_aggregates_that_it_creates
                        a_context_sees_the_keys_that_it_changes
                        a_context_reads_an_aggregate_the_same_each_time
                        a_context_reads_the_same_again_past_a_new_snapshot
                    }
                }
            }
        }
    };
}

/// Turns the list into a slice of [`Case`]s.
#[doc(hidden)]
#[macro_export]
macro_rules! __list {
    (
        default { $($promise:ident { $($file:ident { $($name:ident)+ })+ })+ }
        cached { $($cached_promise:ident { $($cached_file:ident { $($cached_name:ident)+ })+ })+ }
    ) => {
        &[
            $($($(
                Case {
                    promise: stringify!($promise),
                    name: stringify!($name),
                    setting: Setting::Default,
                    story: |fixture| Box::pin($file::$name(fixture)),
                },
            )+)+)+
            $($($(
                Case {
                    promise: stringify!($cached_promise),
                    name: stringify!($cached_name),
                    setting: Setting::Cached,
                    story: |fixture| Box::pin($cached_file::$cached_name(fixture)),
                },
            )+)+)+
        ]
    };
}

const CASES: &[Case] = crate::__with_cases! { __list };

/// Returns all cases, by promise, for programs that do not use [`conformance!`](crate::conformance).
#[must_use]
pub const fn cases() -> &'static [Case] {
    CASES
}
