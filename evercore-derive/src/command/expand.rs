//! Writes the code of `#[command]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Member, Path};

use super::input::Target;
use super::model::Command;
use crate::event::expand as event;
use crate::{rules, task};

/// Writes the item, its implementations and its registrations.
pub(crate) fn command(model: &Command) -> TokenStream {
    let Command { body, queue, .. } = model;
    let (krate, ident) = (&body.krate, &body.item.ident);
    let item = event::event(body);
    let task = task::expand::implementation(body, quote!(#queue));
    let implementation = implementation(model);
    let described = quote_spanned!(ident.span()=> #krate::command::CommandType::of::<#ident>());
    let announcement = rules::announcement(krate, body.allowed.as_ref(), described);
    quote!(#item #task #implementation #announcement)
}

/// Writes the mistakes as errors, and as much of the command as keeps the rest of the program from adding errors to them.
pub(crate) fn rejected(model: &Command, mistakes: darling::Error) -> TokenStream {
    let Command { body, queue, .. } = model;
    let item = event::rejected(body, mistakes);
    let task = body.can_stand_in().then(|| task::expand::implementation(body, quote!(#queue)));
    let implementation = body.can_stand_in().then(|| implementation(model));
    quote!(#item #task #implementation)
}

/// Writes the implementation, unless the aggregate is missing, which is reported as a mistake.
fn implementation(Command { body, aggregate, target, .. }: &Command) -> Option<TokenStream> {
    let (krate, allowed, ident) = (&body.krate, &body.allowed, &body.item.ident);
    let aggregate = aggregate.as_ref()?;
    let target = target.as_ref().map_or_else(
        || quote!(#krate::__private::core::unreachable!()),
        |target| written(target, krate),
    );
    Some(quote! {
        #[automatically_derived]
        #allowed
        impl #krate::command::Command for #ident {
            type Aggregate = #aggregate;
            fn target(&self) -> #krate::Result<#krate::Target> {
                #target
            }
        }
    })
}

/// Writes the target. Errors about the type of the field are shown at its name.
fn written(target: &Target, krate: &Path) -> TokenStream {
    let call = |function: &str, field: &Member| {
        let place = field.span();
        let function = syn::Ident::new(function, place);
        let call = quote_spanned!(place=> #krate::__private::#function(&self.#field));
        event::located(call, place)
    };
    match target {
        Target::Field(field) => call("target", field),
        Target::New => {
            quote!(#krate::__private::core::result::Result::Ok(#krate::Target::New))
        }
        Target::NewWithKey(field) => call("new_with_key", field),
        Target::KeyOrNew(field) => call("key_or_new", field),
    }
}
