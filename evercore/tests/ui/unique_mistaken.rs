//! Unique values that no field gives, or that cannot be stored.
use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(unique(mail))]
struct NoSuchField {
    email: Option<String>,
    seat: u32,
}

#[derive(Aggregate, Default)]
#[aggregate(unique(email))]
struct NoNamedFields(String);

#[derive(Aggregate, Default)]
#[aggregate(unique(email))]
struct NoFields;

#[derive(Aggregate, Default)]
#[aggregate(unique(email, email))]
struct Twice {
    email: String,
}

#[derive(Aggregate, Default)]
#[aggregate(unique(email, "email" = other))]
struct TwiceByName {
    email: String,
    other: String,
}

#[derive(Aggregate, Default)]
#[aggregate(unique("e-mail" = email, e_mail = other))]
struct SameFunction {
    email: String,
    other: String,
}

#[derive(Aggregate, Default)]
#[aggregate(unique("" = email, "a:b" = email))]
struct BadNames {
    email: String,
}

#[derive(Aggregate, Default)]
#[aggregate(unique())]
struct Empty {
    email: String,
}

#[derive(Aggregate, Default)]
#[aggregate(unique = email)]
struct NoList {
    email: String,
}

#[derive(Aggregate, Default)]
#[aggregate(unique("email"))]
struct NameWithoutField {
    email: String,
}

#[derive(Aggregate, Default)]
#[aggregate(unique(email))]
enum Door {
    Open {
        email: String,
    },
    #[default]
    Closed,
}

fn main() {}
