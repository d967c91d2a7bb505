//! Targets for the macros, with input as text and as tokens selected by numbers.

use std::iter::Peekable;
use std::slice::Iter;

use evercore_derive_library::Macro;
use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};

use crate::fields::{Fields, Seed};

/// The limits of the input: longer and deeper than people write. The compiler limits the nesting as well.
const MOST_BYTES: usize = 8 * 1024;
const MOST_NESTED: usize = 64;

/// Words with a meaning for the macros or for Rust. The last four begin and end a group.
const WORDS: [&str; 94] = [
    "struct",
    "enum",
    "union",
    "fn",
    "pub",
    "crate",
    "where",
    "for",
    "impl",
    "dyn",
    "const",
    "mut",
    "r#type",
    "Self",
    "Account",
    "Opened",
    "T",
    "'a",
    "i64",
    "u8",
    "String",
    "Option",
    "Vec",
    "Box",
    "serde",
    "Option < Option < i64 > >",
    "balance : i64",
    "owner : String",
    "aggregate",
    "aggregate = Account",
    "name",
    "name = \"opened\"",
    "version",
    "version = 2",
    "upcast_from",
    "oldest_version",
    "aliases",
    "aliases = [\"old\"]",
    "codec",
    "codec = cbor",
    "protobuf",
    "json",
    "crate = \"facade::evercore\"",
    "queue",
    "queue = \"mail\"",
    "snapshot_every",
    "snapshot_every = 100",
    "snapshot_version",
    "unknown_events",
    "fail",
    "skip",
    "hand_to",
    "into",
    "raw",
    "state",
    "#[state(skip)]",
    "#[aggregate(name = \"account\")]",
    "#[event(aggregate = Account)]",
    "#[derive(Clone)]",
    "#[derive(Serialize, Deserialize)]",
    "#[serde(default)]",
    "#[serde(rename = \"x\")]",
    "#[serde(flatten)]",
    "#[cfg_attr(test, derive(Debug))]",
    "#[doc = \"what\"]",
    "#",
    "!",
    "=",
    ",",
    ";",
    ":",
    "::",
    "<",
    ">",
    "&",
    "*",
    "->",
    ".",
    "..",
    "|",
    "-",
    "$",
    "0",
    "1",
    "4294967296",
    "-1",
    "1.5",
    "\"\"",
    "\"a\\0b\"",
    "\"::\"",
    "b\"bytes\"",
    "'c'",
    "true",
    "_",
];

/// The delimiters of groups, numbered after the words: each number opens a group, and the one after all closes it.
const DELIMITERS: [Delimiter; 4] =
    [Delimiter::Parenthesis, Delimiter::Bracket, Delimiter::Brace, Delimiter::None];

/// Expands an item and options given as text.
pub(crate) fn text(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let mut fields = Fields::new(bytes);
    let options = fields.text().unwrap_or_default().parse();
    let item = std::str::from_utf8(fields.rest()).unwrap_or_default().parse();
    if let (Ok(options), Ok(item)) = (options, item) {
        expand(&options, &item);
    }
}

pub(crate) fn texts() -> Vec<Vec<u8>> {
    let cases = [
        (
            "",
            "#[derive(Default)] #[aggregate(name = \"account\", snapshot_every = 100)] struct Account { balance: i64 }",
        ),
        (
            "",
            "#[aggregate(aliases = [\"client\"], unknown_events = hand_to(keep), snapshot_version = 2)] enum State { A, B(u8) }",
        ),
        (
            "queue = \"mail\", name = \"send-mail\", version = 2, upcast_from = [V1]",
            "struct SendMail { to: String }",
        ),
        (
            "aggregate = Account, name = \"moved\", version = 3, upcast_from = [V1, raw(up)]",
            "pub struct Moved { amount: i64 }",
        ),
        (
            "aggregate = Account, codec = protobuf, oldest_version = 2",
            "#[derive(prost::Message)] struct Moved(#[prost(int64, tag = \"1\")] i64);",
        ),
        (
            "aggregate = Account, aliases = [\"old\", \"older\"], crate = \"facade::evercore\"",
            "enum Moved { In { #[serde(default)] amount: Option<Option<i64>> }, Out(i64), Nowhere }",
        ),
        (
            "aggregate = Account",
            "pub(crate) struct Opened { owner: String, #[state(skip)] by: String }",
        ),
        (
            "aggregate = Account, name = \"gone\", version = 1, into = [A, B]",
            "struct Gone { what: String }",
        ),
        ("aggregate = Account, dropped", "struct Gone;"),
        (
            "version = 0, name = \"\", name = 3, nonsense",
            "union Wrong<'a, T> where T: Clone { a: &'a T }",
        ),
        (
            "tags(course, \"gift-card\" = card)",
            "enum Packed { Sent { course: Vec<u8>, #[cfg(x)] card: Option<String> }, Lost }",
        ),
        (
            "",
            "#[boundary(key(course: String, \"room\" = r#in: u8), events(a::Planned(course, \"room\"), Moved))] struct Seats;",
        ),
        ("", "fn nothing() {}"),
    ];
    cases.map(|(options, item)| Seed::default().bytes(options).rest(item)).into()
}

/// Expands options and an item given as numbers of words and groups. The first group holds the options.
pub(crate) fn tokens(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES / 8 {
        return;
    }
    let mut numbers = bytes.iter().peekable();
    let mut tokens = group(&mut numbers, 0).into_iter().peekable();
    let options = match tokens.next_if(|token| matches!(token, TokenTree::Group(_))) {
        Some(TokenTree::Group(group)) => group.stream(),
        _ => TokenStream::new(),
    };
    expand(&options, &tokens.collect());
}

pub(crate) fn token_numbers() -> Vec<Vec<u8>> {
    let close = number(DELIMITERS.len());
    let brace = number(2);
    [
        (
            "aggregate = Account|,|name = \"opened\"",
            "struct|Opened",
            "balance : i64|,|owner : String",
        ),
        ("", "#[aggregate(name = \"account\")]|pub|struct|Account", "owner : String"),
        ("aggregate = Account|,|aliases = [\"old\"]|,|codec = cbor", "enum|Opened", "Account|,|T"),
        (
            "aggregate = Account|,|version = 2",
            "#[derive(Clone)]|struct|Opened",
            "#[state(skip)]|balance : i64",
        ),
    ]
    .map(|(options, head, body)| {
        let words = |text: &str| -> Vec<u8> { text.split('|').filter_map(word).collect() };
        [
            vec![number(0)],
            words(options),
            vec![close],
            words(head),
            vec![brace],
            words(body),
            vec![close],
        ]
        .concat()
    })
    .into()
}

fn word(word: &str) -> Option<u8> {
    let place = WORDS.iter().position(|known| *known == word)?;
    u8::try_from(place).ok()
}

/// Returns the number of a delimiter or, after the last one, of the end of a group.
fn number(delimiter: usize) -> u8 {
    u8::try_from(WORDS.len() + delimiter).expect("there are few words")
}

fn group(numbers: &mut Peekable<Iter<'_, u8>>, depth: usize) -> TokenStream {
    let mut tokens = TokenStream::new();
    while let Some(number) = numbers.next() {
        let number = usize::from(*number);
        if let Some(word) = WORDS.get(number) {
            let word: TokenStream = word.parse().expect("a word is Rust");
            tokens.extend(word);
            continue;
        }
        match DELIMITERS.get(number - WORDS.len()) {
            Some(delimiter) if depth < MOST_NESTED => {
                let inner = group(numbers, depth + 1);
                tokens.extend([TokenTree::Group(Group::new(*delimiter, inner))]);
            }
            Some(_) => {}
            None if number == WORDS.len() + DELIMITERS.len() => return tokens,
            None => tokens.extend([TokenTree::Literal(Literal::usize_unsuffixed(number))]),
        }
    }
    tokens
}

/// Asserts that the expansion is valid Rust, or a readable error.
fn expand(options: &TokenStream, item: &TokenStream) {
    if depth(options) > MOST_NESTED || depth(item) > MOST_NESTED {
        return;
    }
    for kind in Macro::ALL {
        let expansion = kind.expand(options.clone(), item.clone());
        if let Err(error) = syn::parse2::<syn::File>(expansion.clone()) {
            let text = expansion.to_string();
            assert!(text.contains("compile_error"), "{kind:?} made {text}: {error}");
        }
    }
}

fn depth(tokens: &TokenStream) -> usize {
    let deepest = tokens.clone().into_iter().map(|token| match token {
        TokenTree::Group(group) => 1 + depth(&group.stream()),
        _ => 0,
    });
    deepest.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the seeds that a macro accepts.
    #[test]
    fn most_seeds_are_accepted_by_a_macro() {
        let accepted = texts().into_iter().filter(|seed| {
            let mut fields = Fields::new(seed);
            let options: TokenStream = fields.text().unwrap_or_default().parse().expect("Rust");
            let item = std::str::from_utf8(fields.rest()).expect("a text");
            let item: TokenStream = item.parse().expect("Rust");
            let mut expansions =
                Macro::ALL.map(|kind| kind.expand(options.clone(), item.clone())).into_iter();
            expansions.any(|expansion| !expansion.to_string().contains("compile_error"))
        });
        assert!(accepted.count() >= 8);
    }
}
