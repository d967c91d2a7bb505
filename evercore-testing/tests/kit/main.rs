//! What users test their own domain with.

mod catalogue;
