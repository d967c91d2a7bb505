//! The short form of `cargo xtask fuzz`, for any compiler: runs the corpus and seeded mutations of it.
//!
//! `EVERCORE_FUZZ_CHANGES` sets the number of mutations per input, and `EVERCORE_FUZZ_SEED` their seed.
//! `UPDATE_CORPUS=1` rewrites the inputs that are made of real values.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use evercore_fuzz_targets::{TARGETS, Target};
use mutatis::Session;

/// The number of mutations per input, unless the environment sets it.
const CHANGES: u64 = 150;

/// A fixed seed, so that a failure repeats.
const SEED: u64 = 7;

/// The number of successive mutations of an input before it starts again from the original.
const STEPS: u64 = 8;

/// An input that takes longer than this on its own is mutated less often.
const SLOW: Duration = Duration::from_millis(25);
const CHANGES_OF_A_SLOW_ONE: u64 = 16;

/// An input that takes this long could be used to keep a server busy.
const MOST_TIME: Duration = Duration::from_secs(5);

/// An input that broke a promise.
struct Found {
    input: Vec<u8>,
    seed: u64,
    said: String,
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn corpus(target: &Target) -> PathBuf {
    fuzz().join("corpus").join(target.name)
}

/// Returns all files of a corpus, in the order of their names.
fn inputs(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a file")).collect()
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect(variable))
}

/// Runs a function on inputs and on mutations of them, until it panics.
fn run(
    function: impl Fn(&[u8]),
    inputs: &[Vec<u8>],
    changes: u64,
    seed: u64,
) -> Result<u64, Found> {
    let mut tried = 0;
    let mut attempt = |input: &[u8], seed: u64| {
        tried += 1;
        let begun = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| function(input)));
        let took = begun.elapsed();
        let said = match done {
            Ok(()) if took < MOST_TIME => return Ok(took),
            Ok(()) => format!("it took {took:?}"),
            Err(panic) => panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default(),
        };
        Err(Found { input: input.to_vec(), seed, said })
    };
    for (input, place) in inputs.iter().zip(0_u64..) {
        // The first run includes one-time initialization.
        let took = attempt(input, seed)?.min(attempt(input, seed)?);
        let changes = if took < SLOW { changes } else { changes.min(CHANGES_OF_A_SLOW_ONE) };
        let mut session = Session::new().seed(seed ^ (place << 32));
        let mut changed = input.clone();
        for step in 0..changes {
            if step % STEPS == 0 {
                changed.clone_from(input);
            }
            if session.mutate(&mut changed).is_ok() {
                attempt(&changed, seed)?;
            }
        }
    }
    Ok(tried)
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect(name);
    let seed = number("EVERCORE_FUZZ_SEED", SEED);
    let changes = number("EVERCORE_FUZZ_CHANGES", CHANGES);
    match run(target.run, &inputs(&corpus(target)), changes, seed) {
        Ok(tried) => println!("{name}: {tried} inputs, seed {seed}"),
        Err(Found { input, seed, said }) => {
            let file = std::env::temp_dir().join(format!("evercore-fuzz-{name}"));
            std::fs::write(&file, input).expect("a temporary file");
            let corpus = corpus(target);
            panic!(
                "{said}\nseed {seed}; the input is in {}: mend it, and keep it in {}",
                file.display(),
                corpus.display()
            );
        }
    }
}

macro_rules! short_runs {
    ($($name:ident: $target:literal,)*) => {
        $(
            #[test]
            fn $name() {
                check($target);
            }
        )*

        const CHECKED: &[&str] = &[$($target),*];
    };
}

short_runs! {
    no_filter_breaks_a_promise: "filters",
    no_text_of_an_item_makes_a_macro_panic: "macro_text",
    no_tokens_make_a_macro_panic: "macro_tokens",
    no_metadata_breaks_a_promise: "metadata",
    no_name_breaks_a_promise: "names",
    no_payload_breaks_a_promise: "payloads",
    no_row_breaks_a_promise: "rows",
    no_url_breaks_a_promise: "urls",
}

#[test]
fn every_target_is_checked_and_has_a_program() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(CHECKED, names);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest");
    let programs: BTreeSet<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("name = \"")).collect();
    for name in names {
        assert!(programs.contains(&*format!("{name}\"")), "{name} has no program");
        let program = fuzz().join("fuzz_targets").join(name).with_extension("rs");
        let program = std::fs::read_to_string(&program).expect(name);
        assert!(program.contains(&format!("run(\"{name}\"")), "{program}");
    }
}

#[test]
fn the_corpus_holds_real_values() {
    for target in TARGETS {
        let folder = corpus(&target);
        let seeds = (target.seeds)();
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::create_dir_all(&folder).expect("a folder");
            for (seed, number) in seeds.iter().zip(1..) {
                let file = folder.join(format!("real-{number:02}"));
                std::fs::write(file, seed).expect("a file");
            }
        }
        let inputs = inputs(&folder);
        for (seed, number) in seeds.iter().zip(1..) {
            assert!(inputs.contains(seed), "{target:?} lacks value {number}: UPDATE_CORPUS=1");
        }
    }
}

/// A control: mutations find a function that trusts a length in its input.
#[test]
fn a_faulty_function_is_found() {
    let faulty = |bytes: &[u8]| {
        if let [length, 0, rest @ ..] = bytes {
            let (_label, _rest) = rest.split_at(usize::from(*length));
        }
    };
    let metadata = TARGETS.iter().find(|target| target.name == "metadata").expect("it is there");
    let inputs = inputs(&corpus(metadata));
    for input in &inputs {
        faulty(input);
    }
    let found = run(faulty, &inputs, CHANGES, SEED).map_err(|found| found.said);
    assert!(found.is_err_and(|said| said.contains("mid > len")), "it is faulty");
}

/// A control: a function that takes too long is found.
#[test]
fn a_slow_function_is_found() {
    let slow = |_: &[u8]| std::thread::sleep(MOST_TIME + Duration::from_millis(100));
    assert!(run(slow, &[Vec::new()], 0, 0).is_err());
}
