//! Reads the modules of a crate, and the modules that each names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, ItemUse, Lit, UseTree};

use super::Import;
use crate::command::Failure;

/// The modules of a crate by their paths.
pub(super) struct Crate(BTreeMap<Vec<String>, Module>);

/// The paths that a module names, as they are written.
#[derive(Default)]
struct Module(Vec<Vec<String>>);

impl Crate {
    /// Reads a crate, beginning with its root file.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let mut all = Self(BTreeMap::new());
        all.read_file(root, &root.with_file_name(""), Vec::new())?;
        Ok(all)
    }

    /// Reads a module. `folder` has the files of the modules below it.
    fn read_file(&mut self, file: &Path, folder: &Path, path: Vec<String>) -> Result<(), Failure> {
        let cannot = |error: &dyn std::fmt::Display| {
            Failure(format!("cannot read {}: {error}", file.display()))
        };
        let text = fs::read_to_string(file).map_err(|error| cannot(&error))?;
        let parsed = syn::parse_file(&text).map_err(|error| cannot(&error))?;
        self.add(folder, path, &parsed.items)
    }

    fn add(&mut self, folder: &Path, path: Vec<String>, items: &[Item]) -> Result<(), Failure> {
        let mut module = Module::default();
        items.iter().for_each(|item| module.visit_item(item));
        self.0.insert(path.clone(), module);
        for item in items {
            let Item::Mod(ItemMod { attrs, ident, content, .. }) = item else { continue };
            if is_test(attrs) {
                continue;
            }
            let name = ident.to_string();
            let below = [path.clone(), vec![name.clone()]].concat();
            match content {
                Some((_, items)) => self.add(&folder.join(name), below, items)?,
                None => {
                    let file = find_file(folder, &name, attrs);
                    self.read_file(&file, &file.with_extension(""), below)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the imports between modules, each as it is written.
    pub(super) fn imports(&self) -> BTreeMap<Import, String> {
        let mut imports = BTreeMap::new();
        for (module, Module(paths)) in &self.0 {
            for path in paths {
                if let Some(named) = self.named(module, path)
                    && named != *module
                {
                    imports.entry((module.clone(), named)).or_insert_with(|| path.join("::"));
                }
            }
        }
        imports
    }

    /// Returns the module that a path names, or the module of the item that it names.
    fn named(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module[..module.len().checked_sub(1)?].to_vec(),
            // A module below this one, or another crate.
            _ => {
                rest = path;
                module.to_vec()
            }
        };
        while let Some((name, after)) = rest.split_first() {
            if name == "super" {
                at.pop()?;
            } else {
                at.push(name.clone());
                if !self.0.contains_key(&at) {
                    at.pop();
                    break;
                }
            }
            rest = after;
        }
        Some(at)
    }
}

impl<'ast> Visit<'ast> for Module {
    /// Skipped: modules have an entry of their own.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

impl Module {
    fn add_use(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => self.0.push(before.to_vec()),
            UseTree::Name(name) => self.0.push(with(&name.ident)),
            UseTree::Rename(rename) => self.0.push(with(&rename.ident)),
            UseTree::Glob(_) => self.0.push(before.to_vec()),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_use(before, tree));
            }
        }
    }
}

fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("cfg")
            && attr.parse_args::<syn::Path>().is_ok_and(|what| what.is_ident("test"))
    })
}

fn find_file(folder: &Path, name: &str, attrs: &[Attribute]) -> PathBuf {
    let named =
        attrs.iter().filter(|attr| attr.path().is_ident("path")).find_map(|attr| {
            match &attr.meta.require_name_value().ok()?.value {
                Expr::Lit(ExprLit { lit: Lit::Str(file), .. }) => Some(file.value()),
                _ => None,
            }
        });
    folder.join(named.unwrap_or_else(|| format!("{name}.rs")))
}
