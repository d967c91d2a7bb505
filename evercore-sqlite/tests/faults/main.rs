//! What disks, file systems and other processes do to a database, and what is left of the promises.

mod bank;
mod disk;
mod failing;
mod files;
mod full;
mod locks;
mod operations;
mod power;
mod wal;
