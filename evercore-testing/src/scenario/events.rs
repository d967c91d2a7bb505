//! Lists of events that may be of different types.

use evercore::EventDraft;

/// Events of one aggregate, of one type or of several.
///
/// An array or a `Vec` holds events of one type, or [`EventDraft`]s; a tuple holds up to twelve events of different
/// types; `()` holds none.
pub trait Events<A> {
    /// Returns the events, in order.
    fn into_drafts(self) -> Vec<EventDraft<A>>;
}

impl<A, E: Into<EventDraft<A>>, const N: usize> Events<A> for [E; N] {
    fn into_drafts(self) -> Vec<EventDraft<A>> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<A, E: Into<EventDraft<A>>> Events<A> for Vec<E> {
    fn into_drafts(self) -> Vec<EventDraft<A>> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<A> Events<A> for () {
    fn into_drafts(self) -> Vec<EventDraft<A>> {
        Vec::new()
    }
}

macro_rules! tuples {
    ($($first:ident $($other:ident)*;)+) => {
        $(
            impl<A, $first: Into<EventDraft<A>>, $($other: Into<EventDraft<A>>),*> Events<A>
                for ($first, $($other,)*)
            {
                #[expect(non_snake_case, reason = "a value of each type, by the name of the type")]
                fn into_drafts(self) -> Vec<EventDraft<A>> {
                    let ($first, $($other,)*) = self;
                    vec![$first.into(), $($other.into()),*]
                }
            }
        )+
    };
}

tuples! {
    E1;
    E1 E2;
    E1 E2 E3;
    E1 E2 E3 E4;
    E1 E2 E3 E4 E5;
    E1 E2 E3 E4 E5 E6;
    E1 E2 E3 E4 E5 E6 E7;
    E1 E2 E3 E4 E5 E6 E7 E8;
    E1 E2 E3 E4 E5 E6 E7 E8 E9;
    E1 E2 E3 E4 E5 E6 E7 E8 E9 E10;
    E1 E2 E3 E4 E5 E6 E7 E8 E9 E10 E11;
    E1 E2 E3 E4 E5 E6 E7 E8 E9 E10 E11 E12;
}
