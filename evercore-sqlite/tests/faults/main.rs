//! Faults of disks, file systems and other processes, and the promises that hold nevertheless.

mod bank;
mod disk;
mod failing;
mod files;
mod full;
mod locks;
mod mounts;
mod operations;
mod power;
mod wal;
