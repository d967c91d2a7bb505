//! Events that outlive their code. A separate test binary, because the generations of a program share their names.

mod declarations;
mod generations;
mod names;
mod reading;
mod tagged;
mod unknown;
