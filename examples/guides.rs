//! Checks that the steps of a guide are the parts of its whole program, which is compiled as documentation.

use std::ops::Not;

const GUIDES: [(&str, &str); 2] = [
    ("getting-started.md", include_str!("../docs/getting-started.md")),
    ("web-service.md", include_str!("../docs/web-service.md")),
];

/// The heading of the program, which ends the steps.
const WHOLE: &str = "## The whole program";

/// The heading that ends the steps earlier, where a guide has it.
const VARIATIONS: &str = "## Variations";

#[test]
fn each_step_is_a_part_of_the_whole_program() {
    for (name, guide) in GUIDES {
        let (steps, whole) = guide.split_once(WHOLE).expect("it has a whole program");
        let steps = steps.split(VARIATIONS).next().expect("it has steps");
        let whole = blocks(whole).next().expect("the program is a block");
        let missing: Vec<_> = blocks(steps).filter(|step| !is_part(step, &whole)).collect();
        assert!(missing.is_empty(), "{name}: not in the whole program:\n{}", missing.join("\n"));
        assert!(blocks(steps).count() >= 4, "{name}");
    }
}

#[test]
fn a_step_that_differs_is_found() {
    let whole = "use a::B;\n\nfn one() {\n    B.go()\n}\n\nfn two() {}\n";
    assert!(is_part("use a::C;\n\nfn one() {\n    B.go()\n}\n", whole));
    assert!(is_part("fn one() {\n    B.stop()\n}\n", whole).not());
}

/// Returns the blocks of Rust code in a text.
fn blocks(text: &str) -> impl Iterator<Item = String> {
    text.split("\n```rust").skip(1).map(|block| {
        let code = block.split_once('\n').map_or("", |(_, code)| code);
        code.split("\n```").next().unwrap_or_default().to_owned() + "\n"
    })
}

/// Returns whether the whole program has a step, apart from its imports: those of a later step may replace them.
fn is_part(step: &str, whole: &str) -> bool {
    whole.contains(without_imports(step).trim())
}

fn without_imports(code: &str) -> String {
    let mut is_in_import = false;
    let is_kept = |line: &&str| {
        is_in_import |= line.starts_with("use ");
        let is_kept = !is_in_import;
        is_in_import &= !line.contains(';');
        is_kept
    };
    code.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}
