//! Checks two rules for every public future: it is on the list of futures that are dropped at each of their await
//! points, and it is `Send` where a service awaits it.
//!
//! The test reads the sources, so it also finds futures that are missing from the list.

mod sendable;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use evercore_conformance::cancellation::operations;
use syn::{ImplItem, Item, ReturnType, Signature, TraitItem, Type, Visibility};

/// The crates whose futures users await, including the core.
const CRATES: [&str; 4] = ["evercore", "evercore-memory", "evercore-sqlite", "evercore-postgres"];

/// Crates whose futures users await as well, but which are not dropped: they are layers over the others, or tools for
/// tests.
const TOOLS: [&str; 7] = [
    "evercore-conformance",
    "evercore-opentelemetry",
    "evercore-process",
    "evercore-services",
    "evercore-testing",
    "evercore-tower",
    "evercore-web",
];

/// The suites of `evercore-conformance`, which its macros call.
const SUITES: [&str; 4] = ["cancellation", "cases", "corruption", "transactional"];

/// The traits of the engine contract. Each call of them adds two await points to every operation that makes it.
const CONTRACT: [&str; 10] = [
    "StorageEngine",
    "Reader",
    "Inspection",
    "SubscriptionStorage",
    "TaskStorage",
    "CommandLogStorage",
    "TagStorage",
    "Transactor",
    "Transaction",
    "Forward",
];

/// The traits that authors of engines implement for the suites, with boxed futures that are `Send`.
const HARNESSES: [&str; 3] = ["Harness", "SqlHarness", "CancellationHarness"];

/// Futures that are dropped as a part of an operation on the list.
const PARTS: [(&str, &str); 15] = [
    ("Lifecycle::stopped", "following::run_a_service"),
    ("Lifecycle::stopped_within", "following::run_a_service"),
    ("timeout", "reads::read_log"),
    ("sleep", "commits::a_context_with_a_rival"),
    ("SqliteEngine::connect", "lifecycle::connect"),
    ("SqliteEngine::open", "lifecycle::open"),
    ("SqliteEngine::in_memory", "lifecycle::open"),
    ("PostgresEngine::open", "lifecycle::open"),
    ("PostgresEngine::frontier_holders", "reads::read_log"),
    ("EventStore::with_transaction", "transactions::with_context_in"),
    ("SubscriptionBuilder::run_in_transaction", "transactions::run_in"),
    ("TransactionHandler::handle", "transactions::run_in"),
    ("Handler::handle", "following::run"),
    ("Handler::handle_until", "following::run"),
    ("Work::work", "tasks::run"),
];

#[derive(Debug, Default)]
struct Found {
    futures: BTreeSet<String>,
    functions: BTreeSet<String>,
}

#[test]
fn every_public_future_is_on_the_list() {
    let found = found();
    let covered: BTreeSet<_> =
        operations().flat_map(|operation| operation.covers).copied().collect();
    let parts = || PARTS.iter().map(|(part, _)| *part);
    let missing: Vec<_> = found
        .futures
        .iter()
        .filter(|name| !covered.contains(name.as_str()) && !parts().any(|part| part == *name))
        .collect();
    assert!(
        missing.is_empty(),
        "these are not dropped anywhere; try them in `evercore-conformance/src/cancellation`: {missing:#?}"
    );
}

#[test]
fn nothing_is_on_the_list_that_is_gone() {
    let found = found();
    let names = operations().flat_map(|operation| operation.covers).copied();
    let parts = PARTS.iter().map(|(part, _)| *part);
    let gone: Vec<_> = names.chain(parts).filter(|name| !found.functions.contains(*name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
    for (part, whole) in PARTS {
        assert!(operations().any(|operation| operation.name == whole), "{part} in {whole}");
    }
}

#[test]
fn every_public_future_is_send_where_a_service_awaits_it() {
    sendable::every_public_future_is_send();
    let _ = sendable::a_handler_in_transactions_can_be_spawned;
    let found = found_in(CRATES.iter().chain(&TOOLS));
    let names = || sendable::SENDABLE.iter().map(|(name, _)| *name);
    let missing: Vec<_> =
        found.futures.iter().filter(|future| names().all(|name| name != *future)).collect();
    assert!(
        missing.is_empty(),
        "these are not known to be `Send`; await them in `sendable.rs` as a service would: {missing:#?}"
    );
    let listed = operations().flat_map(|operation| operation.covers).copied();
    let unlisted: Vec<_> = listed
        .chain(PARTS.iter().map(|(part, _)| *part))
        .filter(|listed| *listed != "SubscriptionBuilder::spawn")
        .filter(|listed| names().all(|name| name != *listed))
        .collect();
    assert!(unlisted.is_empty(), "these are dropped, and not known to be `Send`: {unlisted:?}");
}

#[test]
fn each_check_of_a_future_awaits_what_it_names() {
    for (name, body) in sendable::SENDABLE {
        let function = name.rsplit("::").next().expect("a name has a last part");
        // The macro prints spaces between some tokens.
        let body: String = body.split_whitespace().collect();
        let is_called =
            body.contains(&format!("{function}(")) || body.contains(&format!("{function}::<"));
        assert!(is_called && body.contains(".await"), "{name}: {body}");
    }
}

#[test]
fn a_future_that_is_not_on_the_list_is_seen() {
    let mut found = Found::default();
    let source = "
        impl EventStore { pub async fn forgotten(&self) {} async fn hidden(&self) {} }
        impl<T> Wrapper<T> { pub fn later(&self) -> impl Future<Output = ()> + use<T> {} }
        pub async fn alone() {}
        pub(crate) async fn inner() {}
    ";
    read(syn::parse_file(source).expect("it is Rust"), &mut found);
    let expected = ["EventStore::forgotten", "Wrapper::later", "alone"].map(str::to_owned);
    assert_eq!(found.futures, BTreeSet::from(expected));
}

fn found() -> Found {
    found_in(CRATES.iter())
}

fn found_in<'a>(crates: impl Iterator<Item = &'a &'a str>) -> Found {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a workspace");
    let mut found = Found::default();
    for name in crates {
        let sources = sources(&workspace.join(name).join("src")).into_iter();
        for path in sources.filter(|path| !is_of_a_suite(path)) {
            let source = fs::read_to_string(&path).expect("it can be read");
            let file =
                syn::parse_file(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            read(file, &mut found);
        }
    }
    assert!(found.futures.len() > 40, "the sources are not where they were: {found:?}");
    found
}

fn is_of_a_suite(path: &Path) -> bool {
    let parts: Vec<_> = path.with_extension("").iter().map(|part| part.to_owned()).collect();
    let own = parts.iter().skip_while(|part| *part != "evercore-conformance").skip(2);
    own.into_iter().next().is_some_and(|first| SUITES.iter().any(|suite| first == suite))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn read(file: syn::File, found: &mut Found) {
    for item in file.items {
        match item {
            Item::Fn(function) if is_public(&function.vis) => {
                found.add(None, &function.sig);
            }
            Item::Impl(block) if block.trait_.is_none() => {
                let owner = type_name(&block.self_ty);
                for item in block.items {
                    if let ImplItem::Fn(function) = item
                        && is_public(&function.vis)
                    {
                        found.add(Some(&owner), &function.sig);
                    }
                }
            }
            Item::Trait(block) if is_public(&block.vis) => {
                let owner = block.ident.to_string();
                for item in block.items {
                    if let TraitItem::Fn(function) = item
                        && !CONTRACT.contains(&owner.as_str())
                        && !HARNESSES.contains(&owner.as_str())
                    {
                        found.add(Some(&owner), &function.sig);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Found {
    fn add(&mut self, owner: Option<&str>, signature: &Signature) {
        let name = match owner {
            Some(owner) => format!("{owner}::{}", signature.ident),
            None => signature.ident.to_string(),
        };
        let is_future = signature.asyncness.is_some()
            || matches!(&signature.output, ReturnType::Type(_, output) if is_future(output));
        if is_future {
            self.futures.insert(name.clone());
        }
        self.functions.insert(name);
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_future(output: &Type) -> bool {
    let Type::ImplTrait(output) = output else { return false };
    output.bounds.iter().any(|bound| {
        let syn::TypeParamBound::Trait(bound) = bound else { return false };
        let last = bound.path.segments.last();
        last.is_some_and(|segment| segment.ident == "Future" || segment.ident == "Stream")
    })
}

fn type_name(of: &Type) -> String {
    let Type::Path(path) = of else { return String::new() };
    path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}
