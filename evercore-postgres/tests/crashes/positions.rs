//! Positions that are lost in a crash, and floors that must survive it.

use evercore::{EventStore, Position};
use sqlx::{Connection, PgConnection};

use crate::{Counted, connect, count, crash, execute, number, open, server};

/// Settings under which only commits flush the log, so that a crash reliably loses everything else.
const LAZY: [&str; 3] = ["wal_level=minimal", "max_wal_senders=0", "wal_writer_delay=10s"];

/// Returns the numbers of the next events after a position, and the position to continue from.
async fn read(store: &EventStore, after: Position) -> (Vec<i64>, Position) {
    let page = store.read_log(after, 100).await.expect("it can be read");
    let number = |event: &evercore::RecordedEvent| event.decode::<Counted>().map(|e| e.number);
    let numbers = page.events.iter().map(number).collect::<Result<_, _>>().expect("all are ours");
    (numbers, page.end)
}

/// Announces a floor and appends an event after the first one.
async fn append(writer: &mut PgConnection) {
    let sql = r#"
        SELECT evercore.announce_floor();
        INSERT INTO evercore.events
            (aggregate_id, sequence, event_type_id, version, codec, payload, event_time, recorded_at)
        SELECT aggregate_id, 2, event_type_id, version, codec, '{"number":2}', now(), now()
        FROM evercore.events WHERE position = 1"#;
    execute(writer, sql).await;
}

#[tokio::test]
async fn a_reader_goes_on_from_what_it_has_read_when_positions_are_drawn_again() {
    const DRAWN: i64 = 1_000;
    let mut server = server(&LAZY);
    // Nothing else writes.
    let url = format!("{}?notifications=off", server.url());
    let store = EventStore::connect(&url).await.expect("the server answers");
    count(&store, None, 1).await.expect("it lands");

    // One writer has given up the positions that it drew and holds nothing back; another one is in the middle.
    let mut gave_up = connect(&server).await;
    let draw = format!(
        "BEGIN; SAVEPOINT s; SELECT evercore.announce_floor();
         SELECT nextval('evercore.event_positions') FROM generate_series(1, {DRAWN});
         ROLLBACK TO s"
    );
    execute(&mut gave_up, &draw).await;
    let frontier = number(&mut gave_up, "SELECT frontier FROM evercore.frontier()").await;
    assert_eq!(frontier, 1 + DRAWN);
    let mut in_the_middle = connect(&server).await;
    execute(&mut in_the_middle, "BEGIN").await;
    append(&mut in_the_middle).await;

    let (before, cursor) = read(&store, Position::START).await;
    crash(&mut server);

    let store = EventStore::connect(&url).await.expect("the server answers");
    for n in [3, 4] {
        count(&store, None, n).await.expect("it lands");
    }
    let (after, end) = read(&store, cursor).await;
    assert_eq!((before, after), (vec![1], vec![3, 4]));
    assert!(
        end.get() < frontier,
        "the control: the crash took no position back, or a reader at {frontier} would miss {end}"
    );
    assert_eq!(read(&store, end).await, (vec![], end), "nothing is read twice");
}

#[tokio::test]
async fn a_prepared_transaction_holds_its_floor_over_a_crash() {
    let mut server = server(&["fsync=off"]);
    let store = open(&server).await;
    count(&store, None, 1).await.expect("it lands");
    let mut writer = connect(&server).await;
    execute(&mut writer, "BEGIN").await;
    append(&mut writer).await;
    execute(&mut writer, "PREPARE TRANSACTION 'slow'").await;
    writer.close().await.expect("it says goodbye");
    count(&store, None, 3).await.expect("it overtakes");

    crash(&mut server);

    let store = open(&server).await;
    count(&store, None, 4).await.expect("it overtakes as well");
    let (before, cursor) = read(&store, Position::START).await;
    assert_eq!(before, [1], "what is behind the floor");
    execute(&mut connect(&server).await, "COMMIT PREPARED 'slow'").await;
    let (after, _) = read(&store, cursor).await;
    assert_eq!(after, [2, 3, 4]);
}
