//! Generates tests from the list of cases.

use crate::case::Outcome;
use crate::{Harness, cases};

/// Generates a test for each case, in modules named after the promises.
///
/// Takes an expression that evaluates to a [`Harness`]; it is evaluated once for each case. The list of cases belongs
/// to the suite, so an engine cannot leave one out.
#[macro_export]
macro_rules! conformance {
    ($harness:expr) => {
        fn __harness() -> impl $crate::Harness {
            $harness
        }

        $crate::__with_cases! { __tests }
    };
}

/// Turns the list into tests that call `__harness` of the enclosing module.
#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    (default { $($default:tt)+ } cached { $($cached:tt)+ }) => {
        $crate::__modules! { "" $($default)+ }

        mod cached {
            #[cfg(test)]
            use super::__harness;

            $crate::__modules! { "cached::" $($cached)+ }
        }
    };
}

/// Generates the modules of tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __modules {
    ($setting:literal $($promise:ident { $($file:ident { $($name:ident)+ })+ })+) => {
        $(
            mod $promise {
                $($(
                    #[test]
                    fn $name() {
                        let name =
                            concat!($setting, stringify!($promise), "::", stringify!($name));
                        $crate::__run(name, super::__harness());
                    }
                )+)+
            }
        )+
    };
}

/// Runs one case and panics if it fails.
#[doc(hidden)]
pub fn __run(name: &str, harness: impl Harness) {
    let case = cases()
        .iter()
        .find(|case| case.to_string() == name)
        .expect("BUG: the tests are made from the list of cases");
    match case.run(harness) {
        Ok(Outcome::Passed) => {}
        Ok(Outcome::LeftOut(capability)) => {
            println!("left out: {case} needs {capability}, which the engine does not declare");
        }
        Err(failure) => panic!("{failure}"),
    }
}
