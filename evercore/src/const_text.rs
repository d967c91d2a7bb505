//! Puts texts together at compile time, for the message of a panic there, which cannot be formatted.

use crate::boundary::TagName;

/// More than any message has that names an event, a boundary and 32 tags of usual lengths.
const MAX_BYTES: usize = 4096;

/// A text that grows by whole pieces. A piece that it has no room for is left out.
pub(crate) struct ConstText {
    bytes: [u8; MAX_BYTES],
    len: usize,
}

impl ConstText {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MAX_BYTES], len: 0 }
    }

    pub(crate) const fn push(mut self, piece: &str) -> Self {
        let piece = piece.as_bytes();
        if piece.len() > MAX_BYTES - self.len {
            return self;
        }
        let mut index = 0;
        while index < piece.len() {
            self.bytes[self.len] = piece[index];
            self.len += 1;
            index += 1;
        }
        self
    }

    /// Adds the tags that an event has.
    pub(crate) const fn push_tags(mut self, tags: &[TagName]) -> Self {
        let mut index = 0;
        while index < tags.len() {
            self = self.push(if index == 0 { "; the tags that it has: `" } else { ", `" });
            self = self.push(tags[index].name).push("`");
            index += 1;
        }
        if tags.is_empty() { self.push("; it has no tags") } else { self }
    }

    pub(crate) const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => panic!("BUG: whole pieces of text are text"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_does_not_fit_is_left_out() {
        let long = "ä".repeat(MAX_BYTES / 2 - 1);
        let text = ConstText::new().push(&long).push("äb").push("ä");
        assert_eq!(text.as_str(), long + "ä");
    }

    #[test]
    fn the_tags_of_an_event_are_listed() {
        let tags = [TagName::one("course"), TagName::one("hall")];
        let text = ConstText::new().push("no `room`").push_tags(&tags);
        assert_eq!(text.as_str(), "no `room`; the tags that it has: `course`, `hall`");
        assert_eq!(
            ConstText::new().push("no `room`").push_tags(&[]).as_str(),
            "no `room`; it has no tags"
        );
    }
}
