//! Checks that the limits in `docs/limits.md` are those of the code.

use crate::command::Failure;

const TABLE: &str = "docs/limits.md";

/// The file with the struct whose fields have a row each.
const LIMITS: &str = "evercore/src/limits/settings.rs";

pub(crate) fn check() -> Result<(), Failure> {
    let (table, limits) = (read(TABLE)?, read(LIMITS)?);
    let mut faults = faults(&table, |file| read(file).ok());
    for field in fields(&limits).filter(|field| !table.contains(&format!("`Limits::{field}`"))) {
        faults.push(format!("{TABLE} lacks `Limits::{field}`"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure(faults.join("\n"))) }
}

/// Returns the names of a struct's fields, each of which is on a line of its own.
fn fields(source: &str) -> impl Iterator<Item = &str> {
    let fields =
        source.lines().filter_map(|line| line.strip_prefix("    pub(crate) ")?.split_once(": "));
    fields.map(|(name, _)| name).filter(|name| !name.contains(' '))
}

/// Returns the rows that differ from the file that they name.
fn faults(table: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let (Some(stated), Some(code)) = (cells.get(1), cells.last()) else { continue };
        let ["", file, " ", name, ""] = code.split('`').collect::<Vec<_>>()[..] else { continue };
        let found = source(file).and_then(|source| value(&source, name));
        // A cell such as `1, at most 1,024` has several numbers; one of them must be the constant.
        if found.is_none_or(|found| !readings(stated).contains(&found)) {
            faults.push(format!("{TABLE} states {stated}, but `{name}` in {file} is {found:?}"));
        }
    }
    faults
}

/// Returns the numbers in a cell: bytes, milliseconds, or counts.
fn readings(cell: &str) -> Vec<u64> {
    cell.split(", ")
        .filter_map(|part| {
            let part = part.trim_start_matches("at most ").trim_start_matches("at least ");
            let (number, unit) = part.split_once(' ').unwrap_or((part, ""));
            let number: u64 = number.replace(',', "").parse().ok()?;
            let factor = match unit {
                "" | "ms" => 1,
                "s" => 1_000,
                "KiB" => 1024,
                "MiB" => 1024 * 1024,
                _ => return None,
            };
            Some(number * factor)
        })
        .collect()
}

/// Returns the value to which a constant or a field is first set.
fn value(source: &str, name: &str) -> Option<u64> {
    source.lines().map(str::trim).find_map(|line| {
        let line = line
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub ");
        let constant = line.strip_prefix("const ").and_then(|line| line.strip_prefix(name));
        let constant = constant.and_then(|rest| rest.split_once(" = ")).map(|(_, value)| value);
        let field = || line.split([' ', '{']).find(|word| word.strip_suffix(':') == Some(name));
        let field = || line.split_once(field()?).map(|(_, value)| value.trim_start());
        evaluate(constant.or_else(field)?.trim_end_matches([';', ',', ' ', '}']))
    })
}

/// Evaluates a product of numbers, or a time in milliseconds.
fn evaluate(expression: &str) -> Option<u64> {
    let times = [("Duration::from_millis(", 1), ("Duration::from_secs(", 1_000)];
    for (begin, factor) in times {
        if let Some(inner) = expression.strip_prefix(begin) {
            return Some(evaluate(inner.strip_suffix(')')?)? * factor);
        }
    }
    let not_zero = expression.strip_prefix("const { NonZeroU32::new(");
    if let Some((number, _)) = not_zero.and_then(|rest| rest.split_once(')')) {
        return evaluate(number);
    }
    expression.split(" * ").map(|factor| factor.replace('_', "").parse::<u64>().ok()).product()
}

fn read(file: &str) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure(format!("cannot read {file}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "pub const MOST: usize = 64 * 1024;\n    patience: Duration::from_secs(10),\n";

    fn faults_of(row: &str) -> usize {
        faults(row, |file| (file == "a.rs").then(|| SOURCE.to_owned())).len()
    }

    #[test]
    fn a_limit_row_that_matches_the_code_is_fine() {
        assert_eq!(faults_of("| bytes | 64 KiB | refused | `a.rs` `MOST` |"), 0);
        assert_eq!(faults_of("| patience | 10 s | refused | `a.rs` `patience` |"), 0);
        assert_eq!(faults_of("| share | 1, at most 65,536 | refused | `a.rs` `MOST` |"), 0);
        assert_eq!(faults_of("| limit | default | past it | code |"), 0);
    }

    #[test]
    fn fields_are_found() {
        let source = "struct A {\n    pub(crate) most: usize,\n    pub(crate) least: u32,\n}\nimpl A {\n    pub(crate) const fn b(c: &C) {}\n";
        assert_eq!(fields(source).collect::<Vec<_>>(), ["most", "least"]);
    }

    #[test]
    fn a_limit_row_that_differs_from_the_code_is_a_fault() {
        assert_eq!(faults_of("| bytes | 65 KiB | refused | `a.rs` `MOST` |"), 1);
        assert_eq!(faults_of("| patience | 10 ms | refused | `a.rs` `patience` |"), 1);
        assert_eq!(faults_of("| gone | 1 | refused | `a.rs` `GONE` |"), 1);
        assert_eq!(faults_of("| gone | 1 | refused | `b.rs` `MOST` |"), 1);
    }
}
