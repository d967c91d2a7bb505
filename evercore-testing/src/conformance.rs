//! Turns the list of cases into tests.

use crate::{Harness, cases};

/// Makes a test of each case, in modules named after the promises.
///
/// It takes an expression that makes a [`Harness`], evaluated once for each case. The list of cases is the suite's own:
/// there is no way to leave one out.
#[macro_export]
macro_rules! conformance {
    ($harness:expr) => {
        fn __harness() -> impl $crate::Harness {
            $harness
        }

        $crate::__with_cases! { __tests }
    };
}

/// Makes the list tests that call `__harness` of the module they are in.
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

/// Makes modules of tests.
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
    if let Err(failure) = case.run(harness) {
        panic!("{failure}");
    }
}
