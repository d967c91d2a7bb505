//! Finds the user that the server runs as, since it refuses root.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{Failure, step};

/// An unprivileged user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// Returns another user if this process runs as root, otherwise `None`.
    pub(crate) fn for_server() -> Result<Option<Self>, Failure> {
        let probe = tempfile::tempfile().map_err(|error| step("make a file", error))?;
        let own = probe.metadata().map_err(|error| step("look at a file", error))?;
        if own.uid() != 0 {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd")
            .map_err(|error| step("read /etc/passwd", error))?;
        let find = |name| users.lines().find_map(|line| Self::parse(line, name));
        find("postgres").or_else(|| find("nobody")).map(Some).ok_or(Failure::NoOtherUser)
    }

    /// Parses a line of `/etc/passwd`: name, password, uid, gid, …
    fn parse(line: &str, wanted: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (name == wanted).then_some(Self { uid, gid })
    }

    /// Makes a command run as this user.
    pub(crate) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}
