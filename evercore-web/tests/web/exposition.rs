//! A strict reader of the text format of Prometheus, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

/// The label pairs of a sample, in their order.
type Labels = Vec<(String, String)>;

/// All samples of a scrape, checked.
#[derive(Debug)]
pub(crate) struct Exposition {
    /// The types of the families by their names.
    pub(crate) families: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    /// Reads a scrape, and panics at the first thing that Prometheus would refuse or misunderstand.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut read = Self { families: BTreeMap::new(), samples: Vec::new() };
        let (mut helped, mut family) = (BTreeSet::new(), None::<(String, String)>);
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').expect("a help text");
                assert!(is_a_name(name) && !text.is_empty(), "{line}");
                assert!(helped.insert(name.to_owned()), "two helps: {line}");
                family = None;
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helped.contains(name), "no help before: {line}");
                let former = read.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(former, None, "two types: {line}");
                family = Some((name.to_owned(), kind.to_owned()));
            } else {
                let (name, kind) = family.as_ref().expect("a type before its samples");
                read.sample(line, name, kind);
            }
        }
        read.check_histograms();
        read
    }

    /// Returns the value of a sample, by its name and one of its label pairs, if it has any.
    pub(crate) fn value(&self, name: &str, label: Option<(&str, &str)>) -> Option<f64> {
        let found = self.samples.iter().find(|(of, labels, _)| {
            let fits = |(key, value)| labels.iter().any(|(k, v)| (&**k, &**v) == (key, value));
            of == name && label.map_or(labels.is_empty(), fits)
        });
        found.map(|(_, _, value)| *value)
    }

    fn sample(&mut self, line: &str, family: &str, kind: &str) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Vec::new(), rest),
        };
        let value = value.strip_prefix(' ').expect("a space before the value");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("not of {family}: {line}"));
        match kind {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
            "counter" => assert!(suffix.is_empty() && name.ends_with("_total"), "{line}"),
            _ => assert!(suffix.is_empty() && !name.ends_with("_total"), "{line}"),
        }
        assert!(value.is_finite() && (value >= 0.0), "{line}");
        let is_new = !self.samples.iter().any(|(n, l, _)| (&**n, l) == (name, &labels));
        assert!(is_new, "twice: {line}");
        self.samples.push((name.to_owned(), labels, value));
    }

    /// Checks that buckets are in order, count what is below them, and end with all.
    fn check_histograms(&self) {
        for (family, _) in self.families.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for (_, labels, count) in
                self.samples.iter().filter(|(name, ..)| *name == format!("{family}_bucket"))
            {
                let (bounds, others): (Vec<_>, Vec<_>) =
                    labels.iter().cloned().partition(|(key, _)| key == "le");
                let [(_, bound)] = &*bounds else { panic!("one bound, not {bounds:?}") };
                let bound =
                    if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
                series.entry(others).or_default().push((bound, *count));
            }
            assert!(!series.is_empty(), "{family} has no series");
            for (labels, buckets) in series {
                let is_sorted =
                    buckets.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
                assert!(is_sorted, "{family} {labels:?} {buckets:?}");
                let (last, all) = buckets[buckets.len() - 1];
                let total = self
                    .samples
                    .iter()
                    .find(|(name, of, _)| *name == format!("{family}_count") && *of == labels);
                assert_eq!((last, Some(all)), (f64::INFINITY, total.map(|(.., count)| *count)));
            }
        }
    }
}

fn is_a_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_fine)
}

/// Reads labels after the opening brace, and returns the rest of the line after the closing one.
fn labels(mut rest: &str) -> (Labels, &str) {
    let mut labels = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label");
        assert!(is_a_name(name), "{name}");
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().expect("the end of a value") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("an escaped character").1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    c => panic!("\\{c} is no escape"),
                },
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        if let Some(rest) = rest.strip_prefix('}') {
            return (labels, rest);
        }
        rest = rest.strip_prefix(',').expect("a comma between labels");
    }
}

#[test]
#[should_panic(expected = "two types")]
fn a_family_that_comes_twice_is_refused() {
    let family = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n";
    Exposition::read(family);
    Exposition::read(&format!("{family}# TYPE a_total counter\n"));
}

#[test]
#[should_panic(expected = "(inf, Some(3.0))")]
fn a_histogram_that_counts_otherwise_than_its_buckets_is_refused() {
    Exposition::read(
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 3\na_sum 1\na_count 4\n",
    );
}
