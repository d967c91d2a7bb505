//! Checks that every value is bound: a statement that reaches a driver is a constant, a file, or one of a few known
//! ones.
//!
//! sqlx accepts only constants unless it is given an `AssertSqlSafe`; rusqlite accepts any text.

use std::path::{Path, PathBuf};

use crate::command::Failure;

/// The folders with statements.
const ENGINES: [&str; 2] = ["evercore-postgres/src", "evercore-sqlite/src"];

/// The calls that take a statement, or that make a statement of a text.
const CALLS: [&str; 7] = [
    "AssertSqlSafe(",
    ".prepare_cached(",
    ".prepare(",
    ".execute_batch(",
    "connection.execute(",
    "connection.query_row(",
    "connection.query_one(",
];

/// The known other statements: the file, the expression, and the reason why it holds no value.
const KNOWN: [(&str, &str, &str); 13] = [
    (
        "evercore-sqlite/src/command_log.rs",
        "&led(request)",
        "one of our files, with one of its conditions made required",
    ),
    (
        "evercore-postgres/src/statements.rs",
        "Arc::clone(&self.0)",
        "one of our files, with a checked schema name in it",
    ),
    (
        "evercore-postgres/src/schema.rs",
        "step.sql",
        "a migration, with a checked schema name in it",
    ),
    (
        "evercore-postgres/src/schema.rs",
        "render(include_str!(\"find_migrations.sql\"), schema)",
        "one of our files, with a checked schema name in it",
    ),
    (
        "evercore-postgres/src/schema.rs",
        "render(include_str!(\"read_migrations.sql\"), schema)",
        "one of our files, with a checked schema name in it",
    ),
    (
        "evercore-postgres/src/transaction.rs",
        "sql.clone()",
        "a UUID and a number: `SET` takes no binds",
    ),
    ("evercore-sqlite/src/inspection.rs", "sql", "`&'static str`"),
    ("evercore-sqlite/src/log.rs", "sql", "one of two constants"),
    ("evercore-sqlite/src/schema.rs", "sql", "`&'static str`"),
    (
        "evercore-sqlite/src/writer/append.rs",
        "sql",
        "a file, and binds for as many rows as there are",
    ),
    (
        "evercore-sqlite/src/writer/index_tags.rs",
        "sql",
        "a file, and binds for as many rows as there are",
    ),
    ("evercore-sqlite/src/writer/rows.rs", "sql", "one of two constants"),
    ("evercore-sqlite/src/writer/rows.rs", "sql", "`&'static str`"),
];

/// A statement that is not a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    file: String,
    line: usize,
    expression: String,
}

pub(crate) fn check() -> Result<(), Failure> {
    let mut made = Vec::new();
    for engine in ENGINES {
        for file in rust_files(Path::new(engine))? {
            let source = std::fs::read_to_string(&file)
                .map_err(|error| Failure(format!("cannot read {}: {error}", file.display())))?;
            made.extend(find(&file.display().to_string(), &source));
        }
    }
    let mut faults: Vec<String> = made
        .iter()
        .filter(|made| !KNOWN.iter().any(|known| made.is(known)))
        .map(|Made { file, line, expression }| {
            format!("{file}:{line} builds a statement from `{expression}`; bind values that are not constants")
        })
        .collect();
    let gone = KNOWN.iter().filter(|known| !made.iter().any(|made| made.is(known)));
    faults.extend(gone.map(|(file, expression, _)| {
        format!("`{expression}` is no longer a statement in {file}; correct the list in xtask")
    }));
    if faults.is_empty() { Ok(()) } else { Err(Failure(faults.join("\n"))) }
}

impl Made {
    fn is(&self, (file, expression, _): &(&str, &str, &str)) -> bool {
        self.file == *file && self.expression == *expression
    }
}

/// Finds the statements of a source that are not constants. Its tests, which come last, are exempt.
fn find(file: &str, source: &str) -> Vec<Made> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut made = Vec::new();
    for call in CALLS {
        for (at, _) in code.match_indices(call) {
            let is_comment =
                code[..at].lines().last().is_some_and(|line| line.trim_start().starts_with("//"));
            let expression = first_argument(&code[at + call.len()..]);
            if !is_comment && !is_constant(&expression) {
                let line = code[..at].lines().count();
                made.push(Made { file: file.to_owned(), line, expression });
            }
        }
    }
    made
}

/// Returns the text up to the comma or the bracket that ends the first argument.
fn first_argument(rest: &str) -> String {
    let mut depth = 0_usize;
    let end = rest.char_indices().find_map(|(at, c)| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    });
    rest[..end.unwrap_or(rest.len())].trim().to_owned()
}

/// Whether an expression is a literal, an `include_str!`, or the name of a constant.
fn is_constant(expression: &str) -> bool {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    expression.starts_with('"')
        || expression.starts_with("include_str!(") && expression.ends_with(".sql\")")
        || expression.starts_with(|c: char| c.is_ascii_uppercase())
            && expression.chars().all(is_name)
}

/// Returns the Rust files of a folder, without tests.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| Failure(format!("cannot read {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expressions(source: &str) -> Vec<String> {
        find("f.rs", source).into_iter().map(|made| made.expression).collect()
    }

    #[test]
    fn constants_are_no_faults() {
        let source = r#"
            connection.prepare_cached(READ_LOG)?;
            connection.execute_batch("BEGIN; COMMIT")?;
            connection.query_row(include_str!("read.sql"), [], |row| row.get(0))?;
            // connection.prepare(sql) is not called
        "#;
        assert_eq!(expressions(source), [""; 0]);
    }

    #[test]
    fn a_statement_that_is_put_together_is_found() {
        let source = r#"
            connection.prepare_cached(&format!("SELECT {key}"))?;
            sqlx::query(AssertSqlSafe(text(a, b)));
            connection.execute(sql, [])?;
        "#;
        let found = find("f.rs", source);
        assert_eq!(expressions(source), ["text(a, b)", "&format!(\"SELECT {key}\")", "sql"]);
        assert_eq!(found[1].line, 2);
    }
}
