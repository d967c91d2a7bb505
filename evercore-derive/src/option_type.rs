//! Recognises types that are written as an `Option`.

use syn::{GenericArgument, Path, PathArguments, Type};

/// Returns the `T` of a type that is written `Option<T>`. A macro sees only the tokens: an alias is not recognised.
pub(crate) fn inner(ty: &Type) -> Option<&Type> {
    match ty {
        // Invisible delimiters come from another macro that passed the type on.
        Type::Group(group) => inner(&group.elem),
        Type::Paren(paren) => inner(&paren.elem),
        Type::Path(path) if path.qself.is_none() && is_option(&path.path) => {
            only_argument(&path.path)
        }
        _ => None,
    }
}

fn is_option(path: &Path) -> bool {
    let names: Vec<String> =
        path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["Option"] => path.leading_colon.is_none(),
        ["std" | "core", "option", "Option"] => true,
        _ => false,
    }
}

fn only_argument(path: &Path) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    let mut arguments = arguments.args.iter();
    match (arguments.next(), arguments.next()) {
        (Some(GenericArgument::Type(ty)), None) => Some(ty),
        _ => None,
    }
}
