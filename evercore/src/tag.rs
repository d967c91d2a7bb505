//! Defines tags, by which boundaries, subscriptions and pages find events.

use std::fmt::{self, Display, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::key::shorten;
use crate::{Error, Result};

/// The longest tag, in bytes of UTF-8: its name, a colon and its value.
pub const MAX_TAG_BYTES: usize = 255;

/// The most tags of one event.
pub const MAX_EVENT_TAGS: usize = 32;

/// Separates the tags of an event in its column. No tag holds it.
const SEPARATOR: char = '\n';

/// A label of an event, by which it is found beside its aggregate: `course:42`.
///
/// It has a name, which the event type declares, and a value, which the event gives. The name has no colon; neither part
/// is empty or holds a control character. Together they are at most [`MAX_TAG_BYTES`] long. Tags are compared byte for
/// byte, so normalise case and Unicode form before you write one.
///
/// # Example
/// ```
/// use evercore::boundary::Tag;
///
/// let tag = Tag::new("course", 42)?;
/// assert_eq!(tag.as_str(), "course:42");
/// assert!(Tag::new("course", "").is_err());
/// # Ok::<_, evercore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(Box<str>);

/// The tags of an event, in the order of their texts, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Tag>", into = "Vec<Tag>")]
pub struct Tags(Option<Box<str>>);

/// A tag as an event type declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagName {
    /// The name, which is stored with every event.
    pub name: &'static str,
    /// The number of values that an event gives for it.
    pub values: TagValues,
}

/// The number of values that an event gives for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagValues {
    /// Exactly one.
    One,
    /// One, or none.
    Optional,
    /// Any number.
    Many,
}

impl Tag {
    /// Makes a tag after checking it. The value is written with its [`Display`].
    ///
    /// # Errors
    /// [`Error::InvalidTag`] if it is too long, or if a part is empty or holds what it may not.
    pub fn new(name: &str, value: impl Display) -> Result<Self> {
        let mut text = String::with_capacity(name.len() + 16);
        text.push_str(name);
        text.push(':');
        let written = write!(text, "{value}");
        let problem = if written.is_err() {
            "its value cannot be written".to_owned()
        } else if let Some(problem) = name_problem(name) {
            format!("its name {problem}")
        } else if text.len() == name.len() + 1 {
            "its value is empty".to_owned()
        } else if text.len() > MAX_TAG_BYTES {
            format!("it is {} bytes long, but the limit is {MAX_TAG_BYTES}", text.len())
        } else if text.chars().any(char::is_control) {
            "its value holds a control character".to_owned()
        } else {
            return Ok(Self(text.into()));
        };
        Err(Error::InvalidTag { tag: shorten(&text), problem })
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        Self::name_in(&self.0)
    }

    fn name_in(tag: &str) -> &str {
        tag.split_once(':').map_or(tag, |(name, _)| name)
    }

    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, value)| value)
    }

    /// Returns the name, a colon and the value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the number by which an engine may index the tag: the first eight bytes of the SHA-256 of its text, in big
    /// endian. It is the same in every program, so it can be stored. Two tags may have the same number. For engines.
    #[must_use]
    pub fn index(&self) -> i64 {
        index(&self.0)
    }
}

impl Tags {
    /// The tags of an event without any.
    pub const NONE: Self = Self(None);

    /// Makes the tags of an event.
    ///
    /// # Errors
    /// [`Error::InvalidTag`] if there are more than [`MAX_EVENT_TAGS`].
    pub fn new(tags: impl IntoIterator<Item = Tag>) -> Result<Self> {
        let mut tags: Vec<_> = tags.into_iter().collect();
        tags.sort_unstable();
        tags.dedup();
        if tags.is_empty() {
            return Ok(Self::NONE);
        }
        if tags.len() > MAX_EVENT_TAGS {
            let problem =
                format!("an event has at most {MAX_EVENT_TAGS} tags, and this one {}", tags.len());
            return Err(Error::InvalidTag { tag: shorten(tags[MAX_EVENT_TAGS].as_str()), problem });
        }
        let mut column = String::with_capacity(tags.iter().map(|tag| tag.0.len() + 1).sum());
        for tag in &tags {
            if !column.is_empty() {
                column.push(SEPARATOR);
            }
            column.push_str(&tag.0);
        }
        Ok(Self(Some(column.into())))
    }

    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Iterates over the tags: `course:42`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|column| column.split(SEPARATOR))
    }

    /// Returns whether a tag is among them.
    #[must_use]
    pub fn contains(&self, tag: &Tag) -> bool {
        self.iter().any(|own| *own == *tag.0)
    }

    /// Iterates over the values of the tags with this name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter_map(move |tag| tag.strip_prefix(name)?.strip_prefix(':'))
    }

    /// Returns the [number](Tag::index) of one of the tags, by its text.
    pub(crate) fn index_of(tag: &str) -> i64 {
        index(tag)
    }

    /// Returns these tags and those of the others whose names are wanted, each once.
    ///
    /// # Errors
    /// [`Error::InvalidTag`] if there are more than [`MAX_EVENT_TAGS`].
    pub(crate) fn with(&self, others: &Self, is_wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let others = others.iter().filter(|tag| is_wanted(Tag::name_in(tag)));
        Self::new(self.iter().chain(others).map(|tag| Tag(tag.into())))
    }

    /// Returns the [number](Tag::index) of each tag. For engines.
    pub fn indexes(&self) -> impl Iterator<Item = i64> {
        self.iter().map(index)
    }

    /// Returns the tags as they are stored, separated by line breaks; `None` if there are none. For engines.
    #[must_use]
    pub fn to_column(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Reads the tags from their stored form. For engines.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the text was not written by [`to_column`](Self::to_column).
    pub fn from_column(column: Option<&str>) -> Result<Self> {
        let Some(column) = column else { return Ok(Self::NONE) };
        let mut before = "";
        for tag in column.split(SEPARATOR) {
            let is_tag = tag.split_once(':').is_some_and(|(name, value)| {
                !name.is_empty() && !value.is_empty() && !holds_control(tag)
            });
            if !is_tag || tag <= before {
                return Err(Error::corrupt(
                    "tags",
                    format!("`{}` is no list of tags", shorten(column)),
                ));
            }
            before = tag;
        }
        Ok(Self(Some(column.into())))
    }
}

impl TagName {
    /// Declares a tag with exactly one value.
    #[must_use]
    pub const fn one(name: &'static str) -> Self {
        Self { name, values: TagValues::One }
    }

    /// Declares a tag that an event may lack.
    #[must_use]
    pub const fn optional(name: &'static str) -> Self {
        Self { name, values: TagValues::Optional }
    }

    /// Declares a tag with any number of values.
    #[must_use]
    pub const fn many(name: &'static str) -> Self {
        Self { name, values: TagValues::Many }
    }
}

impl TryFrom<Vec<Tag>> for Tags {
    type Error = Error;

    fn try_from(tags: Vec<Tag>) -> Result<Self> {
        Self::new(tags)
    }
}

impl From<Tags> for Vec<Tag> {
    fn from(tags: Tags) -> Self {
        tags.iter().map(|tag| Tag(tag.into())).collect()
    }
}

impl TryFrom<String> for Tag {
    type Error = Error;

    /// Reads a tag as it is written: the name, a colon and the value.
    fn try_from(text: String) -> Result<Self> {
        match text.split_once(':') {
            Some((name, value)) => Self::new(name, value),
            None => {
                let problem = "it has no colon between its name and its value".to_owned();
                Err(Error::InvalidTag { tag: shorten(&text), problem })
            }
        }
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0.into()
    }
}

impl Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns why no tag can have this name; `None` if one can.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.contains(':') {
        Some("holds a colon")
    } else if name.contains(char::is_control) {
        Some("holds a control character")
    } else {
        None
    }
}

/// Returns whether a text holds a control character. Looks at bytes first, since a page of events has many tags.
fn holds_control(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control())
        || !text.is_ascii() && text.contains(char::is_control)
}

fn index(tag: &str) -> i64 {
    number(&[tag])
}

/// Returns the first eight bytes of the SHA-256 of a text, in big endian.
pub(crate) fn number(parts: &[&str]) -> i64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    let (first, _) = hash.split_first_chunk().expect("BUG: the hash has 32 bytes");
    i64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_its_name_and_its_value() {
        let tag = Tag::new("course", "a:b").expect("a tag");
        assert_eq!((tag.name(), tag.value(), tag.as_str()), ("course", "a:b", "course:a:b"));
    }

    #[test]
    fn tags_that_could_not_be_stored_are_refused() {
        let long = "x".repeat(MAX_TAG_BYTES - "course:".len());
        Tag::new("course", &long).expect("the longest");
        for (name, value) in [
            ("", "1"),
            ("a:b", "1"),
            ("a\n", "1"),
            ("course", ""),
            ("course", "1\n2"),
            ("course", "1\0"),
            ("course", &format!("{long}x")),
        ] {
            assert!(
                matches!(Tag::new(name, value), Err(Error::InvalidTag { .. })),
                "{name}:{value}"
            );
        }
    }

    #[test]
    fn tags_are_a_set_that_comes_back_from_its_column() {
        let tags = [("student", 7), ("course", 42), ("student", 7)];
        let tags = Tags::new(tags.map(|(name, value)| Tag::new(name, value).expect("a tag")));
        let tags = tags.expect("few");
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["course:42", "student:7"]);
        assert_eq!(tags.values("student").collect::<Vec<_>>(), ["7"]);
        assert_eq!(Tags::from_column(tags.to_column()).expect("its own column"), tags);
        assert_eq!(Tags::from_column(None).expect("no tags"), Tags::NONE);
        for wrong in
            ["", "course", "course:", "b:1\na:1", "a:1\na:1", "a:1\n", "a:\u{1}", "a:\u{85}"]
        {
            assert!(Tags::from_column(Some(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_event_has_a_bounded_number_of_tags() {
        let tags = |count: usize| Tags::new((0..count).map(|n| Tag::new("n", n).expect("a tag")));
        assert_eq!(tags(MAX_EVENT_TAGS).expect("the most").iter().count(), MAX_EVENT_TAGS);
        assert!(matches!(tags(MAX_EVENT_TAGS + 1), Err(Error::InvalidTag { .. })));
    }

    #[test]
    fn the_number_of_a_tag_never_changes() {
        // From `printf course:42 | sha256sum`.
        let tag = Tag::new("course", 42).expect("a tag");
        assert_eq!(format!("{:016x}", tag.index()), "d32a0f2130dd0b97");
    }
}
