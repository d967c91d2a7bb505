//! Checks that no two modules of a crate import each other, directly or through others.
//!
//! Sibling modules are compared, each together with all modules below it. An import counts for the module that its path
//! names. Three kinds are ignored: items named by the root of the crate, which are the vocabulary of the whole crate;
//! imports between a module and those below it, which form one module together; and tests.

mod graph;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::command::Failure;
use source::Crate;

/// The crates that must have no circles.
const CRATES: [&str; 5] =
    ["evercore", "evercore-postgres", "evercore-services", "evercore-sqlite", "evercore-web"];

/// An import: the module that has it, and the module that defines the imported item.
type Import = (Vec<String>, Vec<String>);

pub(crate) fn check() -> Result<(), Failure> {
    let mut faults = Vec::new();
    for name in CRATES {
        let read = Crate::read(&Path::new(name).join("src/lib.rs"))?;
        faults.extend(find(&read.imports()).iter().map(|circle| format!("{name}: {circle}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure(faults.join("\n"))) }
}

/// Describes each circle.
fn find(imports: &BTreeMap<Import, String>) -> Vec<String> {
    // For each module, the imports between its direct submodules.
    let mut within: BTreeMap<&[String], BTreeMap<(&str, &str), String>> = BTreeMap::new();
    for ((from, to), path) in imports {
        let common = from.iter().zip(to).take_while(|(from, to)| from == to).count();
        if let (Some(a), Some(b)) = (from.get(common), to.get(common)) {
            let example = format!("{} has `{path}`", from.join("::"));
            within.entry(&from[..common]).or_default().entry((a, b)).or_insert(example);
        }
    }
    let mut found = Vec::new();
    for edges in within.values() {
        let pairs: BTreeSet<(&str, &str)> = edges.keys().copied().collect();
        for circle in graph::circles(&pairs) {
            let inner = edges.iter().filter(|((a, b), _)| circle.contains(a) && circle.contains(b));
            let examples: Vec<_> = inner.map(|(_, example)| format!("\n  {example}")).collect();
            let members: Vec<_> = circle.into_iter().collect();
            let members = members.join(", ");
            found.push(format!("a circle of {members}; break one of:{}", examples.concat()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        }
        let read = Crate::read(&folder.path().join("lib.rs"));
        find(&read.unwrap_or_else(|failure| panic!("{failure}")).imports())
    }

    #[test]
    fn two_files_that_import_each_other_are_found() {
        let found = circles_of(&[
            ("lib.rs", "mod ship; mod crew; mod port; pub use port::Port;"),
            ("ship.rs", "use crate::{Port, crew::{Sailor as Mate}}; pub struct Ship(Mate, Port);"),
            ("crew.rs", "pub struct Sailor; impl Sailor { fn of(_: &crate::ship::Ship) {} }"),
            ("port.rs", "use crate::ship::Ship; pub struct Port(Ship);"),
        ]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with("a circle of crew, ship;"), "{found:#?}");
        assert!(found[0].contains("ship has `crate::crew::Sailor`"), "{found:#?}");
    }

    #[test]
    fn a_circle_below_a_module_is_found_and_one_with_its_own_parts_is_none() {
        let found = circles_of(&[
            ("lib.rs", "mod ship; mod port;"),
            ("port.rs", "use crate::ship::hull::Hull; pub fn repair(_: Hull) {}"),
            ("ship.rs", "pub mod hull; mod mast; use mast::Mast; pub struct Ship(Mast);"),
            ("ship/hull.rs", "use super::mast::Mast; pub struct Hull(Mast);"),
            (
                "ship/mast.rs",
                "pub struct Mast; mod top { use super::super::hull::Hull; fn f(_: Hull) {} }
                 #[cfg(test)] mod tests { use crate::port::repair; }",
            ),
        ]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("a circle of hull, mast;"), "{found:#?}");
    }
}
