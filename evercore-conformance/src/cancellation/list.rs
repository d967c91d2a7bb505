//! The only list of public futures under test.

/// A test of the suite.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its name, with the file that contains it.
    pub name: &'static str,
    /// The public functions whose futures it drops.
    pub covers: &'static [&'static str],
}

/// Passes the list to a macro: each operation by file, with the public functions that it covers.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_operations {
    ($then:ident $($pass:tt)*) => {
        $crate::$then! {
            { $($pass)* }
            lifecycle {
                open: "EventStoreBuilder::open" "EventStoreBuilder::open_shared"
                connect: "EventStore::connect" "EventStoreBuilder::connect"
                migrate: "EventStore::migrate"
                warmup: "EventStore::warmup"
                close: "EventStore::close"
            }
            commits {
                with_context: "EventStore::with_context"
                with_context_committed: "EventStore::with_context_committed"
                with_context_once: "EventStore::with_context_once"
                a_context_that_creates: "EventStore::with_context"
                a_context_that_changes_a_key: "EventStore::with_context"
                a_context_with_a_rival: "EventStore::with_context"
                a_context_that_waits_its_turn: "EventStore::with_context"
                a_turn: "Place::turn" "Place::turn_within"
                execute: "EventStore::execute"
                execute_with_an_idempotency_key: "EventStore::execute"
                once: "EventStore::once" "EventStore::once_committed"
                append: "EventStore::append"
                append_to_a_new_stream: "EventStore::append"
                with_metadata_of_a_task: "with_metadata"
            }
            contexts {
                load: "Context::load"
                load_by_key: "Context::load_by_key"
                find: "Context::find"
                find_by_key: "Context::find_by_key"
                find_by_unique: "Context::find_by_unique" "Context::load_by_unique"
                load_or_create: "Context::load_or_create"
                create: "Context::create"
                create_with_key: "Context::create_with_key"
                read: "Context::read"
            }
            boundaries {
                decide_on: "Context::decide_on"
                execute_on: "EventStore::execute_on"
                execute_on_with_an_idempotency_key: "EventStore::execute_on"
            }
            reads {
                with_readonly_context: "EventStore::with_readonly_context"
                loads_of_a_view: "ReadContext::load" "ReadContext::load_by_key" "ReadContext::find"
                    "ReadContext::find_by_key" "ReadContext::load_as_of"
                values_of_a_view: "ReadContext::find_by_unique" "ReadContext::load_by_unique"
                boundaries_of_a_view: "ReadContext::read" "ReadContext::read_as_of"
                    "ReadContext::read_tagged"
                pages_of_a_view: "ReadContext::history" "ReadContext::read_log"
                    "ReadContext::read_correlated"
                history: "EventStore::history"
                read_log: "EventStore::read_log" "EventStore::head"
                read_correlated: "EventStore::read_correlated"
                read_tagged: "EventStore::read_tagged"
                find_commit: "EventStore::find_commit"
                find_by_idempotency_key: "EventStore::find_by_idempotency_key"
                claim_unique_values: "EventStore::claim_unique_values"
                verify: "Verify::run"
                backfill_tags: "TagBackfill::run"
            }
            following {
                run: "SubscriptionBuilder::run"
                run_that_stops: "SubscriptionBuilder::run"
                shutdown: "SubscriptionHandle::shutdown" "SubscriptionBuilder::spawn"
                join: "SubscriptionHandle::join"
                run_a_service: "Service::run" "Lifecycle::until_ready"
                run_ephemeral: "EphemeralBuilder::run"
                stream: "EphemeralBuilder::stream"
                wait_for: "EventStore::wait_for"
                wait_until_idle: "EventStore::wait_until_idle"
                notified: "LogWatch::notified"
            }
            administration {
                list: "Subscriptions::list" "Subscriptions::find"
                pause: "Subscriptions::pause"
                resume: "Subscriptions::resume"
                reset: "Subscriptions::reset"
                delete: "Subscriptions::delete"
                redrive: "Subscriptions::redrive"
                redrive_event: "Subscriptions::redrive_event"
                discard: "Subscriptions::discard"
                discarded: "Subscriptions::discarded"
                parked: "Subscriptions::parked"
            }
            tasks {
                enqueue: "EventStore::enqueue"
                a_context_that_enqueues: "EventStore::with_context"
                run: "QueueBuilder::run"
                run_that_stops: "QueueBuilder::run"
                run_due: "QueueBuilder::run_due"
                run_a_service: "Service::run"
                shutdown: "QueueHandle::shutdown"
                join: "QueueHandle::join"
                wait_until_idle: "Queues::wait_until_idle"
            }
            commands {
                dispatch: "EventStore::dispatch"
                send: "EventStore::send"
                run_due: "QueueBuilder::run_due"
                outcome: "EventStore::outcome"
                wait_for_outcome: "EventStore::wait_for_outcome"
                read_the_log: "LoggedCommands::find" "LoggedCommands::list"
                prune: "LoggedCommands::prune"
            }
            queues {
                look: "Queues::list" "Queues::get" "Queues::find"
                read: "Queues::waiting" "Queues::dead" "Queues::discarded"
                pause: "Queues::pause"
                resume: "Queues::resume"
                retry: "Queues::retry"
                retry_all: "Queues::retry_all"
                discard: "Queues::discard"
                discard_all: "Queues::discard_all"
            }
        }
    };
}

/// Passes the list of operations that need the engine's transactions to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_transactional_operations {
    ($then:ident $($pass:tt)*) => {
        $crate::$then! {
            { $($pass)* }
            transactions {
                with_context_in: "EventStore::with_context_in"
                run_in: "SubscriptionBuilder::run_in"
                run_in_that_stops: "SubscriptionBuilder::run_in"
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __operation_list {
    ({} $($group:ident { $($name:ident: $($covered:literal)+)+ })+) => {
        &[$($(
            $crate::cancellation::Operation {
                name: concat!(stringify!($group), "::", stringify!($name)),
                covers: &[$($covered),+],
            }
        ),+),+]
    };
}

/// Returns all operations of both lists.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    const ALL: &[Operation] = crate::__with_operations! { __operation_list };
    const TRANSACTIONAL: &[Operation] =
        crate::__with_transactional_operations! { __operation_list };
    ALL.iter().chain(TRANSACTIONAL)
}
