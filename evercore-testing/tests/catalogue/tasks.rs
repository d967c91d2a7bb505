//! The bodies of tasks are in the catalogue as events are.

use evercore::{Registry, Result, task};
use evercore_testing::{Catalogue, CatalogueUpdate};
use expect_test::expect;

use crate::Released;

mod second {
    use super::*;

    #[task(queue = "mail", name = "send-mail")]
    pub(crate) struct SendMail {
        address: String,
    }
}

#[task(queue = "mail", name = "send-mail")]
struct SendMail {
    to: String,
}

#[test]
fn a_changed_body_of_a_task_fails() -> Result<()> {
    let folder = tempfile::TempDir::new().expect("a folder for the test");
    let released = Released(folder);
    let first = Catalogue::of(Registry::builder().event::<SendMail>().build()?);
    released.check(&first, CatalogueUpdate::Additions).expect("all of it is new");
    expect![[r#"
        {
          "evercore.tasks": {
            "send-mail": {
              "1": [
                "to: String"
              ]
            }
          }
        }
    "#]]
    .assert_eq(&released.text());
    let changed = Catalogue::of(Registry::builder().event::<second::SendMail>().build()?);
    let refused = released.check(&changed, CatalogueUpdate::Additions).expect_err("it differs");
    assert!(refused.to_string().contains("evercore.tasks: send-mail, version 1"), "{refused}");
    Ok(())
}
