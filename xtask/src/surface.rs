//! What the libraries show to whoever embeds them: no type of a crate that we only use inside, no secret as plain text, and
//! no type that may hold a secret without a test that looks for it in what the type writes.
//!
//! Read from the sources, so that it needs neither a build nor an unstable compiler. `pub` is taken at its word: the lint
//! `unreachable_pub` sees to it that what is not reachable does not say so.

mod holders;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use cargo_metadata::{Metadata, Package, Target};
use syn::visit::{self, Visit};
use syn::{Attribute, Field, Ident, ImplItem, Item, TraitItem, Type, UseTree, Visibility};

use crate::error::Error;

/// Crates that may be exchanged for others at any time, because nobody sees them.
const INSIDE: &[&str] = &[
    "aide",
    "axum",
    "cap_std",
    "cel",
    "hyper",
    "hyper_util",
    "jsonc_parser",
    "jsonschema",
    "nix",
    "reqwest",
    "rmcp",
    "rusqlite",
    "rustls",
    "sse_stream",
];

/// What a field is called that holds a secret.
const SECRETS: &[&str] = &["password", "secret", "token"];

/// Looks through every library that is published.
///
/// # Errors
/// The files and what they show.
pub(crate) fn check(metadata: &Metadata) -> Result<(), Error> {
    let mut complaints = Vec::new();
    let mut types = holders::Types::default();
    for package in metadata.workspace_packages() {
        types.place(&package.name, package.dependencies.iter().map(|dependency| dependency.name.clone()));
        for path in sources(package)? {
            let file = parse(&path)?;
            complaints.extend(look(&file).into_iter().map(|each| format!("{}: {each}", path.display())));
            types.learn(&package.name, &file);
        }
    }
    let canary = metadata.workspace_root.join(holders::CANARY);
    complaints.extend(types.missing(&parse(canary.as_std_path())?));
    if complaints.is_empty() { Ok(()) } else { Err(Error::Check(complaints.join("\n"))) }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::File { action: "read", path: path.to_owned(), source }
}

/// The files of a library that somebody else can use.
fn sources(package: &Package) -> Result<Vec<PathBuf>, Error> {
    let library = package.targets.iter().any(Target::is_lib) && package.publish.is_none();
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(root) = package.manifest_path.parent().filter(|_| library) {
        folders.push(root.join("src").into());
    }
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|source| unreadable(&folder, source))?;
        for entry in entries {
            let path = entry.map_err(|source| unreadable(&folder, source))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn parse(path: &Path) -> Result<syn::File, Error> {
    let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    syn::parse_file(&text).map_err(|error| Error::Check(format!("{}: {error}", path.display())))
}

/// What is wrong with one file.
fn look(file: &syn::File) -> Vec<String> {
    let mut look = Look::default();
    look.learn(&file.items);
    look.items(&file.items);
    look.complaints
}

#[derive(Default)]
struct Look {
    /// Names in this file that stand for a type of a crate that is used inside only.
    names: BTreeMap<String, String>,
    /// The types of this file that are public.
    public: Vec<String>,
    complaints: Vec<String>,
}

impl Look {
    /// What the names of a file mean, before it is looked at.
    fn learn(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Use(used) => self.import(&used.tree, None, is_public(&used.vis)),
                Item::Type(alias) if !is_public(&alias.vis) => {
                    if let Some(inside) = self.inside(&alias.ty) {
                        self.names.insert(alias.ident.to_string(), inside);
                    }
                }
                Item::Struct(item) if is_public(&item.vis) => self.public.push(item.ident.to_string()),
                Item::Enum(item) if is_public(&item.vis) => self.public.push(item.ident.to_string()),
                Item::Mod(module) if !is_test(&module.attrs) => {
                    if let Some((_, items)) = &module.content {
                        self.learn(items);
                    }
                }
                _ => {}
            }
        }
    }

    fn import(&mut self, tree: &UseTree, root: Option<&str>, public: bool) {
        let mut name = |name: &Ident, root: &str| {
            if !INSIDE.contains(&root) {
                return;
            }
            if public {
                self.complaints.push(format!("`pub use` of `{root}`"));
            }
            self.names.insert(name.to_string(), root.to_owned());
        };
        match tree {
            UseTree::Path(path) => {
                let first = path.ident.to_string();
                self.import(&path.tree, Some(root.unwrap_or(&first)), public);
            }
            UseTree::Name(each) => name(&each.ident, root.unwrap_or(&each.ident.to_string())),
            UseTree::Rename(each) => name(&each.rename, root.unwrap_or(&each.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, root, public)),
            UseTree::Glob(_) => {
                if let Some(root) = root.filter(|root| INSIDE.contains(root)) {
                    self.complaints.push(format!("`use {root}::…::*`: its names cannot be followed"));
                }
            }
        }
    }

    /// The crate that a type belongs to which is used inside only.
    fn inside(&self, ty: &Type) -> Option<String> {
        let mut inside = Inside { names: &self.names, found: None };
        inside.visit_type(ty);
        inside.found
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Mod(module) if !is_test(&module.attrs) => {
                if let Some((_, items)) = &module.content {
                    self.items(items);
                }
            }
            Item::Fn(item) if is_public(&item.vis) => {
                self.shows(&item.sig.ident, |inside| inside.visit_signature(&item.sig));
            }
            Item::Const(item) if is_public(&item.vis) => {
                self.shows(&item.ident, |inside| inside.visit_type(&item.ty));
            }
            Item::Static(item) if is_public(&item.vis) => {
                self.shows(&item.ident, |inside| inside.visit_type(&item.ty));
            }
            Item::Type(item) if is_public(&item.vis) => {
                self.shows(&item.ident, |inside| inside.visit_type(&item.ty));
            }
            Item::Struct(item) => {
                if is_public(&item.vis) {
                    let fields = item.fields.iter().filter(|field| is_public(&field.vis));
                    self.shows(&item.ident, |inside| {
                        inside.visit_generics(&item.generics);
                        fields.for_each(|field| inside.visit_type(&field.ty));
                    });
                }
                self.keeps(&item.ident, &item.attrs, item.fields.iter());
            }
            Item::Enum(item) => {
                let fields = || item.variants.iter().flat_map(|variant| &variant.fields);
                if is_public(&item.vis) {
                    self.shows(&item.ident, |inside| fields().for_each(|field| inside.visit_type(&field.ty)));
                }
                self.keeps(&item.ident, &item.attrs, fields());
            }
            Item::Trait(item) if is_public(&item.vis) => {
                for each in &item.items {
                    if let TraitItem::Fn(function) = each {
                        self.shows(&function.sig.ident, |inside| inside.visit_signature(&function.sig));
                    }
                }
            }
            Item::Impl(item) => self.implementation(item),
            _ => {}
        }
    }

    fn implementation(&mut self, item: &syn::ItemImpl) {
        let Type::Path(of) = &*item.self_ty else { return };
        let Some(of) = of.path.segments.last().map(|segment| segment.ident.clone()) else { return };
        if let Some((implemented, _)) = &item.trait_ {
            // `From<reqwest::Error>` of a public type is as public as the type.
            if self.public.contains(&of.to_string()) {
                self.shows(&of, |inside| inside.visit_path(implemented));
            }
            return;
        }
        for each in &item.items {
            if let ImplItem::Fn(function) = each
                && is_public(&function.vis)
            {
                self.shows(&function.sig.ident, |inside| inside.visit_signature(&function.sig));
            }
        }
    }

    fn shows(&mut self, name: &Ident, visit: impl FnOnce(&mut Inside<'_>)) {
        let mut inside = Inside { names: &self.names, found: None };
        visit(&mut inside);
        if let Some(found) = inside.found {
            self.complaints.push(format!("`{name}` shows a type of `{found}`"));
        }
    }

    /// What derives `Debug` or `Serialize` writes its secrets wherever it is written.
    fn keeps<'f>(&mut self, name: &Ident, attributes: &[Attribute], fields: impl Iterator<Item = &'f Field>) {
        if !derives(attributes, &["Debug", "Serialize"]) {
            return;
        }
        for field in fields {
            if let Some(called) = &field.ident
                && is_secret(field)
            {
                self.complaints
                    .push(format!("`{name}` would write its `{called}`: keep it in a type that redacts"));
            }
        }
    }
}

/// Looks for a type of a crate that is used inside only.
struct Inside<'n> {
    names: &'n BTreeMap<String, String>,
    found: Option<String>,
}

impl<'ast> Visit<'ast> for Inside<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let first = first.ident.to_string();
            if INSIDE.contains(&first.as_str()) {
                self.found = Some(first);
            } else if let Some(root) = self.names.get(&first) {
                self.found = Some(root.clone());
            }
        }
        visit::visit_path(self, path);
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Ident>().is_ok_and(|condition| condition == "test")
    })
}

fn derives(attributes: &[Attribute], wanted: &[&str]) -> bool {
    let mut derived = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        // What is no derive is told by the compiler.
        let _ = attribute.parse_nested_meta(|meta| {
            derived |=
                meta.path.segments.last().is_some_and(|last| wanted.iter().any(|name| last.ident == name));
            Ok(())
        });
    }
    derived
}

/// Whether a field holds a secret as plain text, by what it is called.
fn is_secret(field: &Field) -> bool {
    let called = field.ident.as_ref().map(Ident::to_string).unwrap_or_default();
    called.split('_').next_back().is_some_and(|word| SECRETS.contains(&word)) && is_text(&field.ty)
}

fn is_text(ty: &Type) -> bool {
    struct Text(bool);
    impl<'ast> Visit<'ast> for Text {
        fn visit_ident(&mut self, ident: &'ast Ident) {
            self.0 |= ident == "String" || ident == "str" || ident == "OsString";
        }
    }
    let mut text = Text(false);
    text.visit_type(ty);
    text.0
}

#[cfg(test)]
mod tests;
