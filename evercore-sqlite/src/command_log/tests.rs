use evercore::AggregateId;
use evercore::engine::CommandsRequest;
use rusqlite::{Connection, params};

use super::{PRUNE, led};

fn schema() -> Connection {
    let connection = Connection::open_in_memory().expect("it opens");
    for step in crate::schema::migrations() {
        connection.execute_batch(&step.sql).expect("it runs");
    }
    connection
}

fn plan(connection: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> String {
    let mut statement =
        connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("it prepares");
    let lines = statement.query_map(values, |row| row.get::<_, String>(3)).expect("it runs");
    lines.collect::<rusqlite::Result<Vec<_>>>().expect("it is text").join("\n")
}

#[test]
fn each_list_is_read_by_its_index_and_in_its_order() {
    let connection = schema();
    let all = CommandsRequest { limit: 1, ..CommandsRequest::default() };
    let by_correlation = CommandsRequest { correlation_id: Some("c".into()), ..all.clone() };
    let by_aggregate = CommandsRequest { aggregate_id: AggregateId::new(1).ok(), ..all.clone() };
    let by_command = CommandsRequest { command: Some("c".into()), ..all.clone() };
    let of_rejected = CommandsRequest { is_rejected: Some(true), ..all.clone() };
    let of_landed = CommandsRequest { is_rejected: Some(false), ..all.clone() };
    for (request, index) in [
        (all, "command_log_by_time (ended_at>"),
        (by_correlation, "command_log_by_correlation (correlation_id=? AND ended_at>"),
        (by_aggregate, "command_log_by_aggregate (aggregate_id=? AND ended_at>"),
        (by_command, "command_log_by_command (command=? AND ended_at>"),
        (of_rejected, "command_log_of_rejected (ended_at>"),
        (of_landed, "command_log_by_time (ended_at>"),
    ] {
        let none = None::<i64>;
        let values = params![none, none, none, none, 0, 0, 0, [0_u8; 16], 1];
        let plan = plan(&connection, &led(&request), values);
        assert!(plan.contains(index), "{request:?}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{request:?}: {plan}");
    }
}

#[test]
fn the_oldest_outcomes_are_found_by_their_time() {
    let connection = schema();
    let plan = plan(&connection, PRUNE, params![0, 1]);
    assert!(plan.contains("command_log_by_time (ended_at<"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{plan}");
}
