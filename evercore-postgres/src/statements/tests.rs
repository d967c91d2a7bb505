use std::path::{Path, PathBuf};

use evercore::engine::StorageEngine;
use sqlx::{Connection, Executor, PgConnection, SqlSafeStr};

use super::{Schema, Statement};
use crate::{PostgresEngine, PostgresOptions};

/// Returns the SQL files beside the modules, without those of migrations.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the crate's source is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.append(&mut self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn every_statement_fits_the_migrated_schema_whatever_its_name() {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let mut connection = PgConnection::connect(&url).await.expect("the server answers");
    let files = files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(files.len() > 10, "{files:?}");
    for name in ["statements", "evercore_statements", "statements_evercore"] {
        let options: PostgresOptions = url.parse().expect("a URL");
        let options = options.schema(name).expect("a schema name");
        let schema: Schema = options.schema_name().clone();
        let drop = Statement::new("DROP SCHEMA IF EXISTS evercore CASCADE", &schema);
        connection.execute(drop.sql()).await.expect("it is ours");
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        engine.migrate().await.expect("it migrates");

        for file in &files {
            let sql = std::fs::read_to_string(file).expect("it is text");
            let statement = Statement::new(&sql, &schema);
            let prepared = connection.prepare(statement.sql().into_sql_str()).await;
            prepared.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        // The next schema's statements must not work because this schema is still there.
        engine.close().await.expect("nothing is under way");
        connection.execute(drop.sql()).await.expect("it is ours");
    }
}
