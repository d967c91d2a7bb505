//! The same decisions by hand, in serializable transactions, and by other frameworks.

use std::sync::Arc;
use std::time::Duration;

use evercore::boundary::Tag;

use super::filling::fill;
use super::{Places, Subscribed, deciders};
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::engines::Bed;
use crate::raw::{Landed, Serializable};
use crate::workloads::EVERCORE;

/// The events before the measurement. In an empty index all tags would be neighbours, and PostgreSQL takes neighbours
/// that are read for conflicts.
const EVENTS_BEFORE: i64 = 100_000;

/// The longest pause before a decision is made again.
const LONGEST_PAUSE: Duration = Duration::from_micros(500);

/// Each task has courses and students of its own. The first side relies on PostgreSQL to find conflicts.
pub(in crate::workloads) async fn serializable(bed: &Bed, tasks: i64) -> anyhow::Result<Contest> {
    let (ground, by_hand) = (bed.ground().await?, bed.ground().await?);
    fill(&by_hand, EVENTS_BEFORE).await?;
    let tables = Arc::new(Serializable::connect(&by_hand.url(), "student-subscribed").await?);
    let hands =
        (0..tasks).map(|task| Hand { tables: Arc::clone(&tables), places: Places::of(task) });
    fill(&ground, EVENTS_BEFORE).await?;
    let store = ground.store().await?;
    let case = format!("disjoint boundaries, {tasks} tasks, {EVENTS_BEFORE} events before");
    Ok(super::new_contest("W13", case, &ground, "decisions")
        .side("raw sqlx, SERIALIZABLE, tried again at once", Crew::of(hands))
        .side(EVERCORE, deciders(&store, tasks)))
}

struct Hand {
    tables: Arc<Serializable>,
    places: Places,
}

impl Worker for Hand {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let (course, student) = self.places.next();
        let mut reruns = 0;
        while self.try_once(&course, &student).await? == Landed::Conflict {
            reruns += 1;
            tokio::time::sleep(LONGEST_PAUSE.mul_f64(fastrand::f64())).await;
        }
        Ok(Step { units: 1, reruns })
    }
}

impl Hand {
    async fn try_once(&self, course: &str, student: &str) -> anyhow::Result<Landed> {
        let tags = [Tag::new("course", course)?, Tag::new("student", student)?];
        let found = self.tables.read(&tags).await?;
        let (mut taken, mut courses) = (0, 0);
        for (payloads, count) in found.iter().zip([&mut taken, &mut courses]) {
            for payload in payloads {
                let _event: Subscribed = serde_json::from_slice(payload)?;
                *count += 1;
            }
        }
        let event = Subscribed::of(course.to_owned(), student.to_owned(), taken + courses);
        let payload = serde_json::to_vec(&event)?;
        self.tables.insert(&tags, &[taken, courses], &payload).await
    }
}
