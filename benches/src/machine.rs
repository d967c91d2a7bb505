//! Describes the machine of a measurement; figures mean nothing without it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::sample::median;

/// The lock file with which this program was built, unless either was moved since.
const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");

/// The machine and its software.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: u64,
    pub(crate) memory_gib: u64,
    pub(crate) system: String,
    /// The folder of the data.
    pub(crate) folder: String,
    pub(crate) file_system: String,
    /// Microseconds to append 4 KiB to a file and sync it to disk: the median of many.
    pub(crate) fsync_micros: f64,
    pub(crate) rustc: String,
    pub(crate) revision: String,
    pub(crate) sqlx: String,
    /// The database programs and their settings.
    pub(crate) engines: Vec<String>,
    /// The average number of runnable processes in the minute before the first and before the last measurement.
    pub(crate) load: [f64; 2],
}

impl Machine {
    pub(crate) fn look() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir();
        Ok(Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get().try_into()?,
            memory_gib: memory_gib(),
            system: format!(
                "{} {}",
                std::env::consts::OS,
                first_line("/proc/sys/kernel/osrelease")
            ),
            file_system: file_system(&folder),
            fsync_micros: fsync_micros(&folder)?,
            folder: folder.display().to_string(),
            rustc: said_by("rustc", &["--version"]),
            revision: said_by("git", &["describe", "--always", "--dirty"]),
            sqlx: locked_version(Path::new(LOCK), "sqlx"),
            engines: Vec::new(),
            load: [load(), load()],
        })
    }

    pub(crate) fn look_again(&mut self) {
        self.load[1] = load();
    }
}

/// Measures a sync, on which the cost of durability depends. If it takes no time, the folder is in memory.
fn fsync_micros(folder: &Path) -> anyhow::Result<f64> {
    const TIMES: usize = 200;
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        times.push(append_and_sync(&mut file)?.as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

fn append_and_sync(file: &mut File) -> std::io::Result<Duration> {
    let began = Instant::now();
    file.write_all(&[1; 4096])?;
    file.sync_data()?;
    Ok(began.elapsed())
}

fn first_line(file: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Returns the value in a line such as `model name : AMD EPYC`.
fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    line.map_or("unknown", |(_, value)| value.trim()).to_owned()
}

fn memory_gib() -> u64 {
    let total = field("/proc/meminfo", "MemTotal");
    let kib = total.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or_default().div_ceil(1024 * 1024)
}

fn load() -> f64 {
    let text = first_line("/proc/loadavg");
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// Returns the type of the file system that contains the folder.
fn file_system(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let types = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    types.max().map_or("unknown", |(_, kind)| kind).to_owned()
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let text = String::from_utf8(said.unwrap_or_default()).unwrap_or_default();
    if text.trim().is_empty() { "unknown".to_owned() } else { text.trim().to_owned() }
}

/// Returns the version of a package in a lock file.
pub(crate) fn locked_version(lock: &Path, package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let lock = fs::read_to_string(lock).unwrap_or_default();
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix("version = "));
    version.map_or("unknown", |version| version.trim_matches('"')).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_the_driver() {
        let lock = Path::new(LOCK);
        assert!(locked_version(lock, "sqlx").starts_with("0."));
        assert_eq!(locked_version(lock, "no-such-package"), "unknown");
    }

    #[test]
    fn a_sync_takes_time() {
        let micros = fsync_micros(&std::env::temp_dir()).expect("a file");
        assert!(micros > 0.0);
    }
}
