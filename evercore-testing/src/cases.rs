//! The list of cases: which promise, in which file, by which name. It stands here and nowhere else.

mod atomicity;
mod conflicts;
mod durability;
mod guards;
mod keys;
mod races;
mod sequences;

use crate::Case;

/// Hands the list to another macro of this crate, after what is to go before it.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_cases {
    ($then:ident $($before:tt)*) => {
        $crate::$then! {
            $($before)*

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
            }
            p3 {
                sequences {
                    sequences_have_no_holes_under_racing_writers
                    sequences_have_no_holes_after_conflicts_and_failures
                    racing_appends_in_any_state_are_numbered_without_holes
                    each_aggregate_of_a_commit_counts_for_itself
                    the_engine_gives_the_sequence_where_none_was_expected
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
                    keys_compare_byte_for_byte
                }
            }
        }
    };
}

/// Makes the list a slice of [`Case`]s.
#[doc(hidden)]
#[macro_export]
macro_rules! __list {
    ($($promise:ident { $($file:ident { $($name:ident)+ })+ })+) => {
        &[$($($(
            Case {
                promise: stringify!($promise),
                name: stringify!($name),
                story: |fixture| Box::pin($file::$name(fixture)),
            },
        )+)+)+]
    };
}

const CASES: &[Case] = crate::__with_cases! { __list };

/// All cases, by promise. For programs that run them in another way than [`conformance!`](crate::conformance).
#[must_use]
pub const fn cases() -> &'static [Case] {
    CASES
}
