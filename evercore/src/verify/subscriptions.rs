//! Checks durable subscriptions: their cursors, leases and parked events.

use super::Finding;
use super::notes::Notes;
use crate::engine::{InspectedParked, InspectedPartition, InspectedSubscription, Inspection};
use crate::report::with_causes;
use crate::{MAX_PARTITIONS, Result, SubscriptionName};

/// Checks all subscriptions, and returns the highest lease token in use.
pub(super) async fn check_subscriptions(
    inspection: &dyn Inspection,
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<i64> {
    let (mut last, mut highest_token): (Option<String>, i64) = (None, 0);
    loop {
        let page = inspection.durable_subscriptions(last.as_deref(), page_size).await?;
        let Some(end) = page.last() else { return Ok(highest_token) };
        last = Some(end.name.clone());
        for subscription in page {
            notes.verified.subscriptions += 1;
            let tokens = subscription.found.iter().map(|partition| partition.token);
            highest_token = highest_token.max(tokens.max().unwrap_or(0));
            check_subscription(&subscription, notes);
        }
        notes.page_done().await;
    }
}

/// Checks that every parked event exists in the log and lies at or before its partition's cursor.
pub(super) async fn check_parked(
    inspection: &dyn Inspection,
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<()> {
    let mut last: Option<(String, i64)> = None;
    loop {
        let after =
            last.as_ref().map(|(subscription, position)| (subscription.as_str(), *position));
        let page = inspection.parked(after, page_size).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some((end.subscription.clone(), end.position));
        for parked in page {
            notes.verified.parked_events += 1;
            let InspectedParked { subscription, position, lane, is_there, cursor } = parked;
            if !is_there {
                notes.found(Finding::ParkedMissing { subscription, position, lane });
            } else if cursor.is_none_or(|cursor| position > cursor) {
                notes.found(Finding::ParkedAhead { subscription, position, cursor });
            }
        }
        notes.page_done().await;
    }
}

fn check_subscription(stored: &InspectedSubscription, notes: &mut Notes<'_>) {
    let InspectedSubscription { name, filter, partitions, found, head } = stored;
    let mut damaged = |problem: String| {
        let subscription = name.clone();
        notes.found(Finding::SubscriptionDamaged { subscription, problem });
    };
    if let Err(error) = SubscriptionName::new(name) {
        damaged(with_causes(&error));
    }
    if let Err(error) = filter {
        damaged(with_causes(error));
    }
    let most = i64::from(MAX_PARTITIONS);
    if !(1..=most).contains(partitions) {
        damaged(format!(
            "its number of partitions is {partitions}, which is not between 1 and {most}"
        ));
        return;
    }
    for partition in 0..*partitions {
        if !found.iter().any(|found| found.number == partition) {
            let (subscription, problem) = (name.clone(), "its row is missing".to_owned());
            notes.found(Finding::PartitionDamaged { subscription, partition, problem });
        }
    }
    for partition in found {
        check_partition(name, *partitions, *head, partition, notes);
    }
}

fn check_partition(
    name: &str,
    partitions: i64,
    head: i64,
    partition: &InspectedPartition,
    notes: &mut Notes<'_>,
) {
    let InspectedPartition { number, cursor, token, owner, has_end } = partition;
    let (subscription, partition) = (name.to_owned(), *number);
    let problem = if !(0..partitions).contains(number) {
        format!(
            "its number is out of range: the subscription has {partitions} partitions, numbered from 0"
        )
    } else if *cursor < 0 {
        format!("its cursor is {cursor}, but the log begins after 0")
    } else {
        if *cursor > head {
            notes.found(Finding::CursorBeyondEnd {
                subscription: subscription.clone(),
                partition,
                cursor: *cursor,
                last: head,
            });
        }
        let lease = match owner.as_deref() {
            Some("") => "its owner has no name",
            Some(_) if !has_end => "it has an owner, but no end",
            None if *has_end => "it has an end, but no owner",
            Some(_) if *token < 1 => "it has an owner, but no token",
            _ => return,
        };
        let problem = lease.to_owned();
        notes.found(Finding::LeaseDamaged { subscription, partition, problem });
        return;
    };
    notes.found(Finding::PartitionDamaged { subscription, partition, problem });
}
