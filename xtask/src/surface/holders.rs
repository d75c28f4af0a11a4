//! The public types that may hold a secret, told by what their fields are made of: each of them is to be written down by the
//! canary of the facade, which looks for secrets in what was written.
//!
//! A type is known by its name and its crate, which at worst finds one too many. What is behind a trait has a type of its own,
//! which is looked at like any other.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Expr, ExprLit, Field, Fields, Ident, Item, Lit, Type, UseTree};

use super::{derives, is_public, is_secret, is_test};

/// The test that writes types down.
pub(super) const CANARY: &str = "orch/tests/it/canary.rs";

/// What passwords and tokens are kept in.
const SECRET: &str = "SecretString";
/// What secrets may be in beside, by crate: the variables of a process, texts of files that may name them, addresses of hosts.
const KEPT_IN: &[(&str, &str)] = &[
    ("orch-config", "Environment"),
    ("orch-config", "SourceText"),
    ("orch-opencode", "Environment"),
    ("orch-workers", "Source"),
];

/// What has the name of a holder of its crate, and is none: the turn of a transcript, beside that of the simulated host.
const NAMESAKES: &[(&str, &str)] = &[("orch-opencode", "Turn")];

/// What writes a value, or would show it to whoever looks.
const WRITING: &[&str] = &["Debug", "Display", "Serialize"];

/// The types of all libraries.
#[derive(Default)]
pub(super) struct Types {
    /// Of which crates of ours a crate may have types.
    below: BTreeMap<String, BTreeSet<String>>,
    shapes: BTreeMap<Name, Shape>,
    /// Macros that make types.
    makers: BTreeSet<String>,
    /// The words of these macros, and of what they are given.
    made: Vec<(String, BTreeSet<String>)>,
}

/// The crate and the type.
type Name = (String, String);

#[derive(Default)]
struct Shape {
    public: bool,
    written: bool,
    /// The names in the types of its fields.
    made_of: BTreeSet<String>,
}

impl Types {
    /// Those of `package` may be made of those of the crates that it uses.
    pub(super) fn place(&mut self, package: &str, uses: impl IntoIterator<Item = String>) {
        self.below.entry(package.to_owned()).or_default().extend(uses);
    }

    /// The types of one more file of a crate.
    pub(super) fn learn(&mut self, package: &str, file: &syn::File) {
        let mut foreign = BTreeSet::new();
        for item in &file.items {
            if let Item::Use(used) = item {
                import(&used.tree, None, &mut foreign);
            }
        }
        self.items(package, &foreign, &file.items);
    }

    /// The public types that may hold a secret and are not written by the canary.
    pub(super) fn missing(&self, canary: &syn::File) -> Vec<String> {
        let holders = self.holders();
        let mut written = Written::default();
        written.visit_file(canary);
        let is_shown = |name: &&Name| {
            self.shapes.get(*name).is_some_and(|shape| shape.public && shape.written)
                && !written.0.contains(&name.1)
        };
        let missing = holders.iter().filter(is_shown).map(|(package, name)| {
            format!(
                "`{name}` of {package} may hold a secret: write it in `{CANARY}`, which looks for secrets"
            )
        });
        let unseen = self.made.iter().filter_map(|(package, words)| {
            let name = words.iter().find(|word| self.is_holder(&holders, package, word))?;
            Some(format!("a macro makes a type of `{name}`, which may hold a secret: it cannot be looked at"))
        });
        missing.chain(unseen).collect()
    }

    /// Everything that has what secrets are kept in in a field, however deep.
    fn holders(&self) -> BTreeSet<Name> {
        let mut holders = BTreeSet::new();
        loop {
            let is_found = |(name, shape): &(&Name, &Shape)| {
                !holders.contains(*name)
                    && !NAMESAKES.contains(&(&*name.0, &*name.1))
                    && (KEPT_IN.contains(&(&*name.0, &*name.1))
                        || shape.made_of.iter().any(|part| self.is_holder(&holders, &name.0, part)))
            };
            let more: Vec<_> = self.shapes.iter().filter(is_found).map(|(name, _)| name.clone()).collect();
            if more.is_empty() {
                return holders;
            }
            holders.extend(more);
        }
    }

    /// Whether a name means a holder in this crate: its own type of that name, else one of another crate.
    fn is_holder(&self, holders: &BTreeSet<Name>, package: &str, name: &str) -> bool {
        let own = (package.to_owned(), name.to_owned());
        match self.shapes.contains_key(&own) {
            true => holders.contains(&own),
            false => {
                name == SECRET || holders.iter().any(|(of, holder)| holder == name && self.uses(package, of))
            }
        }
    }

    fn uses(&self, package: &str, other: &str) -> bool {
        self.below.get(package).is_some_and(|below| below.contains(other))
    }

    fn items(&mut self, package: &str, foreign: &BTreeSet<String>, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(module) if !is_test(&module.attrs) => {
                    if let Some((_, items)) = &module.content {
                        self.items(package, foreign, items);
                    }
                }
                Item::Struct(item) => {
                    let shape = self.shape(package, &item.ident);
                    shape.public |= is_public(&item.vis);
                    shape.written |= derives(&item.attrs, WRITING);
                    item.fields.iter().for_each(|field| shape.take(field, foreign));
                }
                Item::Enum(item) => {
                    let shape = self.shape(package, &item.ident);
                    shape.public |= is_public(&item.vis);
                    shape.written |= derives(&item.attrs, WRITING);
                    let fields = item.variants.iter().flat_map(|variant| Fields::iter(&variant.fields));
                    fields.for_each(|field| shape.take(field, foreign));
                }
                Item::Impl(item) => {
                    let (Some((implemented, _)), Type::Path(of)) = (&item.trait_, &*item.self_ty) else {
                        continue;
                    };
                    if let (Some(implemented), Some(of)) =
                        (implemented.segments.last(), of.path.segments.last())
                    {
                        let written = WRITING.iter().any(|name| implemented.ident == name);
                        self.shape(package, &of.ident).written |= written;
                    }
                }
                Item::Macro(item) => {
                    let words = words(&item.mac.tokens.to_string());
                    let makes = words.contains("struct") || words.contains("enum");
                    if let Some(name) = item.ident.as_ref().filter(|_| makes) {
                        self.makers.insert(name.to_string());
                    }
                    let given = item
                        .mac
                        .path
                        .segments
                        .last()
                        .is_some_and(|last| self.makers.contains(&last.ident.to_string()));
                    if makes || given {
                        self.made.push((package.to_owned(), words));
                    }
                }
                _ => {}
            }
        }
    }

    fn shape(&mut self, package: &str, name: &Ident) -> &mut Shape {
        self.shapes.entry((package.to_owned(), name.to_string())).or_default()
    }
}

impl Shape {
    fn take(&mut self, field: &Field, foreign: &BTreeSet<String>) {
        Names { foreign, found: &mut self.made_of }.visit_type(&field.ty);
        if is_secret(field) {
            self.made_of.insert(SECRET.to_owned());
        }
    }
}

/// The names that a file has from crates that are not ours.
fn import(tree: &UseTree, root: Option<&str>, foreign: &mut BTreeSet<String>) {
    let mut name = |name: &Ident, root: &str| {
        if !is_ours(root) && name != SECRET {
            foreign.insert(name.to_string());
        }
    };
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            import(&path.tree, Some(root.unwrap_or(&first)), foreign);
        }
        UseTree::Name(each) => name(&each.ident, root.unwrap_or_default()),
        UseTree::Rename(each) => name(&each.rename, root.unwrap_or_default()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| import(tree, root, foreign)),
        UseTree::Glob(_) => {}
    }
}

fn is_ours(root: &str) -> bool {
    matches!(root, "crate" | "self" | "super") || root.starts_with("orch")
}

/// The names in a type that may be ours, without those of traits.
struct Names<'n> {
    foreign: &'n BTreeSet<String>,
    found: &'n mut BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_type_path(&mut self, path: &'ast syn::TypePath) {
        let segments = &path.path.segments;
        if let (Some(first), Some(last)) = (segments.first(), segments.last()) {
            let first = first.ident.to_string();
            let foreign = self.foreign.contains(&first) || first == "std" || first == "serde_json";
            if !foreign {
                self.found.insert(last.ident.to_string());
            }
        }
        visit::visit_type_path(self, path);
    }

    fn visit_type_param_bound(&mut self, _: &'ast syn::TypeParamBound) {}
}

/// The types that are written by the canary: the first word of each name that it gives to `add`.
#[derive(Default)]
struct Written(BTreeSet<String>);

impl<'ast> Visit<'ast> for Written {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "add"
            && let Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) = call.args.first()
        {
            self.0.extend(name.value().split([' ', ',']).next().map(str::to_owned));
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// The words of a text in Rust, but for those that it quotes: the documentation of what a macro makes.
fn words(text: &str) -> BTreeSet<String> {
    let unquoted = text.split('"').step_by(2);
    let words = unquoted.flat_map(|part| part.split(|char: char| !char.is_alphanumeric() && char != '_'));
    words.map(str::to_owned).collect()
}
