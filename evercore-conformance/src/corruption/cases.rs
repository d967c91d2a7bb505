//! The list of corruptions and the expected findings.

use std::pin::Pin;

use evercore::BoxError;
use evercore::verify::{EventAt, Finding, Numbered};

use super::SpoiltDatabase;
use super::scene::Scene;

type Spoilt = Result<(), BoxError>;

/// Declares the cases, and passes the list to a macro.
macro_rules! corruptions {
    ($($(#[$doc:meta])* async fn $name:ident($scene:ident: &Scene<'_>) -> Spoilt $body:block)+) => {
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __with_corruptions {
            ($then:ident) => { $crate::$then! { $($name)+ } };
        }

        $($(#[$doc])* async fn $name($scene: &Scene<'_>) -> Spoilt $body)+

        fn case(name: &str) -> for<'a> fn(&'a Scene<'_>) -> Story<'a> {
            match name {
                $(stringify!($name) => |scene| Box::pin($name(scene)),)+
                unknown => panic!("there is no case {unknown}"),
            }
        }
    };
}

type Story<'a> = Pin<Box<dyn Future<Output = Spoilt> + 'a>>;

/// Runs one case on a runtime of its own.
///
/// # Panics
/// If the findings are not the expected ones.
#[doc(hidden)]
pub fn __run(name: &str, database: impl SpoiltDatabase) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let told = runtime.expect("the operating system gives us threads").block_on(async {
        let scene = Scene::new(&database).await?;
        case(name)(&scene).await
    });
    told.unwrap_or_else(|error| panic!("{name}: {error}"));
}

corruptions! {
    async fn a_changed_payload_that_cannot_be_read(scene: &Scene<'_>) -> Spoilt {
        let payload = (scene.dialect().bytes)(r#"{"number":"many"}"#);
        scene.spoil(&format!("UPDATE events SET payload = {payload} WHERE position = 4")).await?;
        let Finding::EventUnreadable { event, problem } = scene.finding().await? else {
            panic!("the event cannot be read")
        };
        assert_eq!(event, scene.counted_at(4));
        assert!(problem.contains("at field `number`"), "{problem}");
        Ok(())
    }

    async fn a_changed_payload_that_can_be_read_and_is_not_what_the_snapshot_has(scene: &Scene<'_>) -> Spoilt {
        let payload = (scene.dialect().bytes)(r#"{"number":99}"#);
        scene.spoil(&format!("UPDATE events SET payload = {payload} WHERE position = 4")).await?;
        let (aggregate, field) = (scene.tally_at(), "digest".to_owned());
        scene.assert_found(&[Finding::SnapshotDiffers { aggregate, sequence: 10, field }]).await?;
        Ok(())
    }

    async fn a_missing_event(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("DELETE FROM events WHERE position = 4").await?;
        let aggregate = scene.tally_at();
        scene.assert_found(&[Finding::SequenceMissing { aggregate, first: 4, last: 4 }]).await?;
        Ok(())
    }

    async fn missing_events(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("DELETE FROM events WHERE position BETWEEN 4 AND 6").await?;
        let aggregate = scene.tally_at();
        scene.assert_found(&[Finding::SequenceMissing { aggregate, first: 4, last: 6 }]).await?;
        Ok(())
    }

    /// Both the commit and the snapshot refer to the missing events.
    async fn a_missing_end(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("DELETE FROM events WHERE position BETWEEN 10 AND 12").await?;
        let report = scene.findings().await?;
        let [beyond, commit] = &*report else { panic!("two findings, not {report:?}") };
        let aggregate = scene.tally_at();
        assert_eq!(beyond, &Finding::SnapshotBeyondEnd { aggregate, sequence: 10, last: 9 });
        let lost = "there is no event at its position 12";
        assert!(matches!(commit, Finding::CommitDamaged { problem, .. } if problem == lost));
        Ok(())
    }

    async fn a_repeated_sequence(scene: &Scene<'_>) -> Spoilt {
        scene.spoil(scene.dialect().let_events_repeat).await?;
        scene.spoil("UPDATE events SET sequence = 4 WHERE position = 5").await?;
        let event = EventAt { sequence: 4, ..scene.counted_at(5) };
        let aggregate = scene.tally_at();
        scene
            .assert_found(&[
                Finding::SequenceRepeated { event },
                Finding::SequenceMissing { aggregate, first: 5, last: 5 },
            ])
            .await?;
        Ok(())
    }

    async fn events_that_have_changed_places(scene: &Scene<'_>) -> Spoilt {
        for (from, to) in [(4, 500), (5, 4), (500, 5)] {
            let swap = format!("UPDATE events SET position = {to} WHERE position = {from}");
            scene.spoil(&swap).await?;
        }
        let event = EventAt { sequence: 5, position: 4, ..scene.counted_at(5) };
        scene.assert_found(&[Finding::PositionOutOfOrder { event, predecessor: 5 }]).await?;
        Ok(())
    }

    async fn a_repeated_position(scene: &Scene<'_>) -> Spoilt {
        scene.spoil(scene.dialect().let_events_repeat).await?;
        scene.spoil("UPDATE events SET position = 13 WHERE position = 14").await?;
        let [one, other] = scene.counters.map(|id| (id.get(), 1));
        let problem = "there is no event at its position 14".to_owned();
        let cursors = (0..2).map(|partition| Finding::CursorBeyondEnd {
            subscription: "watch".to_owned(),
            partition,
            cursor: 14,
            last: 13,
        });
        let found = [
            Finding::PositionShared { position: 13, one, other },
            Finding::CommitDamaged { commit: scene.commits[1], problem },
        ];
        scene.assert_found(&found.into_iter().chain(cursors).collect::<Vec<_>>()).await?;
        Ok(())
    }

    async fn an_event_without_its_aggregate(scene: &Scene<'_>) -> Spoilt {
        let id = scene.counters[1];
        scene.spoil(&format!("DELETE FROM aggregates WHERE id = {id}")).await?;
        scene.assert_found(&[Finding::EventWithoutAggregate { event: scene.added_at(1) }]).await?;
        Ok(())
    }

    async fn an_event_of_another_type(scene: &Scene<'_>) -> Spoilt {
        scene
            .spoil(
                "UPDATE events
                 SET event_type_id = (SELECT event_type_id FROM events WHERE position = 1)
                 WHERE position = 14",
            )
            .await?;
        let (event, found) = (scene.added_at(1), "tally".to_owned());
        scene.assert_found(&[Finding::EventOfAnotherType { event, found }]).await?;
        Ok(())
    }

    async fn an_event_of_no_type(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE events SET event_type_id = 999 WHERE position = 4").await?;
        scene.assert_event_damaged(4).await
    }

    async fn an_event_in_no_codec(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE events SET codec = 77 WHERE position = 4").await?;
        scene.assert_event_damaged(4).await
    }

    async fn damaged_metadata(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE events SET metadata = '{' WHERE position = 4").await?;
        scene.assert_event_damaged(4).await
    }

    async fn damaged_tags(scene: &Scene<'_>) -> Spoilt {
        let Some((at, _)) = scene.tag().await? else { return Ok(()) };
        scene.spoil("UPDATE events SET tags = 'course' WHERE position = 15").await?;
        let Finding::EventDamaged { event, problem } = scene.finding().await? else {
            panic!("the tags cannot be read")
        };
        assert_eq!(event, at);
        assert!(problem.contains("`course` is no list of tags"), "{problem}");
        Ok(())
    }

    async fn tags_that_were_changed(scene: &Scene<'_>) -> Spoilt {
        let Some((event, numbers)) = scene.tag().await? else { return Ok(()) };
        scene.spoil("UPDATE events SET tags = 'course:43' WHERE position = 15").await?;
        let mut expected = vec![Finding::TagNotIndexed { event, tag: "course:43".to_owned() }];
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        expected.extend(numbers.into_iter().map(|tag| {
            let problem = "the event has no such tag".to_owned();
            Finding::TagIndexDamaged { tag, position: 15, problem }
        }));
        scene.assert_found(&expected).await?;
        Ok(())
    }

    async fn a_missing_row_of_the_index_of_tags(scene: &Scene<'_>) -> Spoilt {
        let Some((event, [_, student])) = scene.tag().await? else { return Ok(()) };
        scene.spoil(&format!("DELETE FROM event_tags WHERE tag = {student}")).await?;
        let tag = "student:7".to_owned();
        scene.assert_found(&[Finding::TagNotIndexed { event, tag }]).await?;
        Ok(())
    }

    async fn a_row_of_the_index_of_tags_for_an_event_without_the_tag(scene: &Scene<'_>) -> Spoilt {
        if scene.tag().await?.is_none() {
            return Ok(());
        }
        for position in [4, 15] {
            scene
                .spoil(&format!(
                    "INSERT INTO event_tags (tag, event_type_id, position)
                     SELECT 7, event_type_id, position FROM events WHERE position = {position}"
                ))
                .await?;
        }
        let mut found: Vec<_> = scene.findings().await?;
        found.sort_by_key(|finding| match finding {
            Finding::TagIndexDamaged { position, .. } => *position,
            other => panic!("{other}"),
        });
        let expected = [4, 15].map(|position| {
            let problem = "the event has no such tag".to_owned();
            Finding::TagIndexDamaged { tag: 7, position, problem }
        });
        assert_eq!(found, expected);
        Ok(())
    }

    async fn a_row_of_the_index_of_tags_for_no_event(scene: &Scene<'_>) -> Spoilt {
        let Some((_, [course, _])) = scene.tag().await? else { return Ok(()) };
        scene
            .spoil(&format!(
                "INSERT INTO event_tags (tag, event_type_id, position)
                 SELECT tag, event_type_id, 99 FROM event_tags WHERE tag = {course}"
            ))
            .await?;
        let problem = "there is no such event".to_owned();
        scene
            .assert_found(&[Finding::TagIndexDamaged { tag: course, position: 99, problem }])
            .await?;
        Ok(())
    }

    async fn a_row_of_the_index_of_tags_with_another_type(scene: &Scene<'_>) -> Spoilt {
        let Some((event, [course, _])) = scene.tag().await? else { return Ok(()) };
        scene
            .spoil(&format!("UPDATE event_tags SET event_type_id = 999 WHERE tag = {course}"))
            .await?;
        let found = scene.findings().await?;
        let [missing, Finding::TagIndexDamaged { tag, position: 15, problem }] = &*found else {
            panic!("two findings, not {found:?}")
        };
        assert_eq!(missing, &Finding::TagNotIndexed { event, tag: "course:42".to_owned() });
        assert_eq!(*tag, course);
        assert!(problem.starts_with("it names the type 999, but the event has "), "{problem}");
        Ok(())
    }

    async fn a_key_of_two(scene: &Scene<'_>) -> Spoilt {
        scene.spoil(scene.dialect().let_keys_repeat).await?;
        scene.spoil("UPDATE aggregates SET natural_key = 'one' WHERE natural_key = 'two'").await?;
        let [first, last] = scene.counters.map(evercore::AggregateId::get);
        scene
            .assert_found(&[Finding::KeyShared {
                aggregate_type: "counter".to_owned(),
                key: "one".to_owned(),
                holders: 2,
                first,
                last,
            }])
            .await?;
        Ok(())
    }

    async fn a_key_that_is_too_long(scene: &Scene<'_>) -> Spoilt {
        let key = "k".repeat(300);
        scene
            .spoil(&format!("UPDATE aggregates SET natural_key = '{key}' WHERE natural_key = 'two'"))
            .await?;
        let Finding::KeyDamaged { aggregate, problem } = scene.finding().await? else {
            panic!("the key is damaged")
        };
        assert_eq!(aggregate, scene.counter_at(1));
        assert!(problem.contains("300 bytes"), "{problem}");
        Ok(())
    }

    async fn an_aggregate_of_no_type(scene: &Scene<'_>) -> Spoilt {
        let id = scene.counters[1];
        scene.spoil(&format!("UPDATE aggregates SET aggregate_type_id = 999 WHERE id = {id}")).await?;
        let Finding::AggregateDamaged { aggregate, .. } = scene.finding().await? else {
            panic!("the aggregate is damaged")
        };
        assert_eq!((aggregate.aggregate_type, aggregate.id), (None, id.get()));
        Ok(())
    }

    async fn a_snapshot_that_differs(scene: &Scene<'_>) -> Spoilt {
        let state = (scene.dialect().bytes)(r#"{"events":11,"digest":7}"#);
        scene.spoil(&format!("UPDATE snapshots SET state = {state}")).await?;
        let (aggregate, field) = (scene.tally_at(), "events".to_owned());
        scene.assert_found(&[Finding::SnapshotDiffers { aggregate, sequence: 10, field }]).await?;
        Ok(())
    }

    async fn a_snapshot_that_cannot_be_read(scene: &Scene<'_>) -> Spoilt {
        let state = (scene.dialect().bytes)("{");
        scene.spoil(&format!("UPDATE snapshots SET state = {state}")).await?;
        let aggregate = scene.tally_at();
        scene.assert_found(&[Finding::SnapshotUnreadable { aggregate, sequence: 10 }]).await?;
        Ok(())
    }

    async fn a_snapshot_beyond_the_end(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE snapshots SET sequence = 13").await?;
        let aggregate = scene.tally_at();
        scene
            .assert_found(&[Finding::SnapshotBeyondEnd { aggregate, sequence: 13, last: 12 }])
            .await?;
        Ok(())
    }

    async fn a_snapshot_of_nothing(scene: &Scene<'_>) -> Spoilt {
        scene
            .spoil(
                "INSERT INTO snapshots (aggregate_id, sequence, fingerprint, state)
                 SELECT 777, sequence, fingerprint, state FROM snapshots",
            )
            .await?;
        scene.assert_found(&[Finding::SnapshotWithoutAggregate { aggregate_id: 777 }]).await?;
        Ok(())
    }

    async fn a_cursor_past_the_end(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE subscription_partitions SET cursor = 15 WHERE number = 1").await?;
        let subscription = "watch".to_owned();
        scene
            .assert_found(&[Finding::CursorBeyondEnd { subscription, partition: 1, cursor: 15, last: 14 }])
            .await?;
        Ok(())
    }

    async fn a_partition_that_is_gone(scene: &Scene<'_>) -> Spoilt {
        let partition = 1 - scene.partition_of(scene.counters[0]);
        scene
            .spoil(&format!("DELETE FROM subscription_partitions WHERE number = {partition}"))
            .await?;
        let (subscription, problem) = ("watch".to_owned(), "its row is missing".to_owned());
        scene
            .assert_found(&[Finding::PartitionDamaged { subscription, partition, problem }])
            .await?;
        Ok(())
    }

    async fn a_filter_that_cannot_be_read(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE subscriptions SET filter = '{'").await?;
        let found = scene.finding().await?;
        assert!(
            matches!(&found, Finding::SubscriptionDamaged { subscription, .. } if subscription == "watch"),
            "{found}"
        );
        Ok(())
    }

    async fn a_lease_without_an_owner(scene: &Scene<'_>) -> Spoilt {
        let time = scene.dialect().time;
        scene
            .spoil(&format!(
                "UPDATE subscription_partitions SET owner = '', leased_until = {time} WHERE number = 0"
            ))
            .await?;
        let (subscription, problem) = ("watch".to_owned(), "its owner has no name".to_owned());
        scene
            .assert_found(&[Finding::LeaseDamaged { subscription, partition: 0, problem }])
            .await?;
        Ok(())
    }

    async fn a_parked_event_that_is_not_there(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE parked_events SET position = 99").await?;
        let (subscription, lane) = ("watch".to_owned(), scene.counters[0].get());
        scene
            .assert_found(&[Finding::ParkedMissing { subscription, position: 99, lane }])
            .await?;
        Ok(())
    }

    async fn a_parked_event_that_is_another_one(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE parked_events SET position = 4").await?;
        let (subscription, lane) = ("watch".to_owned(), scene.counters[0].get());
        scene
            .assert_found(&[Finding::ParkedMissing { subscription, position: 4, lane }])
            .await?;
        Ok(())
    }

    async fn a_parked_event_that_was_not_come_to(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE subscription_partitions SET cursor = 12").await?;
        let subscription = "watch".to_owned();
        scene
            .assert_found(&[Finding::ParkedAhead { subscription, position: 13, cursor: Some(12) }])
            .await?;
        Ok(())
    }

    async fn a_commit_without_its_events(scene: &Scene<'_>) -> Spoilt {
        scene.spoil("UPDATE commits SET last_position = 99 WHERE last_position = 14").await?;
        let problem = "there is no event at its position 99".to_owned();
        scene
            .assert_found(&[Finding::CommitDamaged { commit: scene.commits[1], problem }])
            .await?;
        Ok(())
    }

    async fn a_changed_event_of_a_chain(scene: &Scene<'_>) -> Spoilt {
        let chained = scene.chain().await?;
        scene.spoil("UPDATE events SET reference = 'forged' WHERE position = 16").await?;
        let event = EventAt { aggregate: chained, sequence: 2, position: 16 };
        scene.assert_found(&[Finding::HashDiffers { event }]).await?;
        Ok(())
    }

    async fn an_exchanged_event_of_a_chain(scene: &Scene<'_>) -> Spoilt {
        let chained = scene.chain().await?;
        scene
            .spoil(
                "UPDATE events SET payload = (SELECT payload FROM events WHERE position = 17)
                 WHERE position = 16",
            )
            .await?;
        // The copied payload includes its hash, which does not fit here, and the next event continues another hash.
        let differs = |sequence, position| Finding::HashDiffers {
            event: EventAt { aggregate: chained.clone(), sequence, position },
        };
        let (aggregate, field) = (chained.clone(), "digest".to_owned());
        let snapshot = Finding::SnapshotDiffers { aggregate, sequence: 5, field };
        scene.assert_found(&[differs(2, 16), differs(3, 17), snapshot]).await?;
        Ok(())
    }

    async fn a_snapshot_of_other_events(scene: &Scene<'_>) -> Spoilt {
        let aggregate = scene.chain().await?;
        let (spoilt, other) = (aggregate.id, scene.tally);
        // A snapshot at the same sequence and with the same state, but of events that never existed.
        scene
            .spoil(&format!(
                "UPDATE snapshots SET sequence = 4 WHERE aggregate_id = {spoilt};
                 DELETE FROM snapshots WHERE aggregate_id = {other}"
            ))
            .await?;
        let field = "events".to_owned();
        scene
            .assert_found(&[
                Finding::SnapshotOfOtherEvents { aggregate: aggregate.clone(), sequence: 4 },
                Finding::SnapshotDiffers { aggregate, sequence: 4, field },
            ])
            .await?;
        Ok(())
    }

    /// Only the expected digest reveals that events are missing at the end.
    async fn a_cut_end_of_a_chain(scene: &Scene<'_>) -> Spoilt {
        scene.chain().await?;
        let digest = scene.digest().await?;
        scene
            .spoil(
                "DELETE FROM events WHERE position = 20;
                 DELETE FROM commits WHERE last_position = 20",
            )
            .await?;
        scene.assert_found(&[]).await?;
        let report = scene.verify().expect_digest(digest).run().await?;
        let found = scene.verify().run().await?.digest().expect("the rest is chained");
        let [Finding::DigestDiffers { expected, found: Some(other) }] = report.findings() else {
            panic!("one finding, not {report}")
        };
        assert_eq!((*expected, expected.position().get()), (digest, 20));
        assert_ne!((digest, digest), (*other, found));
        Ok(())
    }

    async fn ids_that_would_be_given_again(scene: &Scene<'_>) -> Spoilt {
        scene.spoil(scene.dialect().forget_ids).await?;
        let in_use = scene.counters[1].get();
        scene
            .assert_found(&[Finding::NumbersBehind { of: Numbered::Aggregates, last_given: 0, in_use }])
            .await?;
        Ok(())
    }
}
