//! Events that outlive their code. Apart from the other tests, since the generations of a program share their names.

mod declarations;
mod generations;
mod names;
mod reading;
mod unknown;
