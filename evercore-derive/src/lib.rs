//! Stop-gap.
use darling::{FromMeta, FromDeriveInput, ast::NestedMeta};
use proc_macro::TokenStream;
use proc_macro2::TokenStream as T2;
use quote::quote;
use syn::{DeriveInput, Data, Fields, Type};

#[derive(FromDeriveInput)]
#[darling(attributes(aggregate))]
struct Agg { ident: syn::Ident, #[darling(default)] name: Option<String>, #[darling(default)] snapshot_every: Option<u32>, #[darling(default)] #[allow(dead_code)] snapshot_version: Option<u32> }
#[derive(FromMeta)]
struct Ev { aggregate: syn::Path, #[darling(default)] name: Option<String>, #[darling(default)] version: Option<u32>, #[darling(default)] aliases: Option<Vec<syn::LitStr>> }

/// x
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn aggregate(i: TokenStream) -> TokenStream {
    let d = syn::parse_macro_input!(i as DeriveInput);
    let a = match Agg::from_derive_input(&d) { Ok(a) => a, Err(e) => return e.write_errors().into() };
    let id = &a.ident; let name = a.name.unwrap_or_else(|| id.to_string());
    let snap = a.snapshot_every.map(|n| quote!(const SNAPSHOTS: ::core::option::Option<::evercore::SnapshotPolicy<Self>> = ::core::option::Option::Some(::evercore::SnapshotPolicy::json(#n, ::evercore::Fingerprint::new(1)));));
    quote!(impl ::evercore::Aggregate for #id { const NAME: &'static str = #name; #snap } ::evercore::__private::inventory::submit!{ ::evercore::AggregateType::of::<#id>() }).into()
}
fn ev(a: TokenStream, i: TokenStream, state: bool) -> TokenStream {
    let mut d = syn::parse_macro_input!(i as DeriveInput);
    let m = match NestedMeta::parse_meta_list(a.into()) { Ok(m) => m, Err(e) => return e.to_compile_error().into() };
    let e = match Ev::from_list(&m) { Ok(a) => a, Err(e) => return e.write_errors().into() };
    let id = d.ident.clone(); let agg = &e.aggregate; let name = e.name.unwrap_or_else(|| id.to_string()); let v = e.version.unwrap_or(1);
    let al = e.aliases.unwrap_or_default();
    let mut apply = T2::new();
    if state {
        let Data::Struct(s) = &mut d.data else { panic!() }; let Fields::Named(n) = &mut s.fields else { panic!() };
        for f in &mut n.named {
            let fi = f.ident.clone(); let mut skip = false;
            f.attrs.retain(|a| { if a.path().is_ident("state") { skip = true; false } else { true } });
            if skip { continue; }
            let opt = matches!(&f.ty, Type::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == "Option"));
            if opt { apply.extend(quote!(if let ::core::option::Option::Some(v) = &event.#fi { ::evercore::__private::SetFrom::set_from(&mut self.#fi, v); })); }
            else { apply.extend(quote!(::evercore::__private::SetFrom::set_from(&mut self.#fi, &event.#fi);)); }
        }
        apply = quote!(impl ::evercore::Apply<#id> for #agg { fn apply(&mut self, event: &#id, _m: &::evercore::EventMeta) { #apply } });
    }
    quote!(#[derive(::evercore::__private::serde::Serialize, ::evercore::__private::serde::Deserialize)] #[serde(crate = "::evercore::__private::serde")] #d
      impl ::evercore::Event for #id { type Aggregate = #agg; const NAME: &'static str = #name; const VERSION: u32 = #v; const ALIASES: &'static [&'static str] = &[#(#al),*]; }
      #apply
      ::evercore::__private::inventory::submit!{ ::evercore::EventType::of::<#id>() }).into()
}
/// x
#[proc_macro_attribute]
pub fn event(a: TokenStream, i: TokenStream) -> TokenStream { ev(a, i, false) }
/// x
#[proc_macro_attribute]
pub fn state_event(a: TokenStream, i: TokenStream) -> TokenStream { ev(a, i, true) }
