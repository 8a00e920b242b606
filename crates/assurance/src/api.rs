//! The public interface of a library as text: every item that is `pub`, without bodies, comments and private parts, and
//! without what is hidden from the documentation.
//!
//! The workspace warns of `pub` items that nobody outside can reach, and CI makes errors of warnings; so what is `pub`
//! in the source is what users see, and the source can be read without a compiler.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use syn::{
    Attribute, Block, Fields, ImplItem, Item, Meta, Signature, TraitItem, Type, Visibility, parse_quote,
};

/// The interface of the crate in this directory.
///
/// # Panics
///
/// If a source cannot be read or parsed.
#[must_use]
pub fn of_crate(directory: &Path) -> String {
    let source = directory.join("src");
    let mut files: Vec<(String, Vec<Item>)> = Vec::new();
    let mut declared = BTreeSet::new();
    for path in crate::files(&source, ".rs") {
        let code = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = syn::parse_file(&code).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(&source).expect("it lies below the source").display().to_string();
        if !name.starts_with("tests/") {
            declared.extend(file.items.iter().filter_map(name_of_type));
            files.push((name, public(file.items)));
        }
    }
    let seen = files.iter().flat_map(|(_, items)| items).filter_map(name_of_type).collect();
    let mut text = String::new();
    for (name, mut items) in files {
        items.retain(|item| is_of_seen_type(item, &declared, &seen));
        if !items.is_empty() {
            let file = syn::File { shebang: None, frontmatter: None, attrs: Vec::new(), items };
            text += &format!("// {name}\n\n{}\n", prettyplease::unparse(&file));
        }
    }
    text
}

/// The name of a type or of a trait.
fn name_of_type(item: &Item) -> Option<String> {
    match item {
        Item::Struct(it) => Some(it.ident.to_string()),
        Item::Enum(it) => Some(it.ident.to_string()),
        Item::Union(it) => Some(it.ident.to_string()),
        Item::Trait(it) => Some(it.ident.to_string()),
        _ => None,
    }
}

/// Users see what is implemented for types that they see, and their traits for types from elsewhere.
fn is_of_seen_type(item: &Item, declared: &BTreeSet<String>, seen: &BTreeSet<String>) -> bool {
    let Item::Impl(it) = item else { return true };
    match name_of_self(&it.self_ty).map(Ident::to_string) {
        Some(name) if declared.contains(&name) => seen.contains(&name),
        _ => it.trait_.as_ref().is_some_and(|(path, _)| {
            path.segments.last().is_some_and(|segment| seen.contains(&segment.ident.to_string()))
        }),
    }
}

/// The name of the type that something is implemented for, or for references to which it is, or lists of which.
fn name_of_self(of: &Type) -> Option<&Ident> {
    match of {
        Type::Path(it) => it.path.segments.last().map(|segment| &segment.ident),
        Type::Reference(it) => name_of_self(&it.elem),
        Type::Slice(it) => name_of_self(&it.elem),
        Type::Array(it) => name_of_self(&it.elem),
        _ => None,
    }
}

fn public(items: Vec<Item>) -> Vec<Item> {
    items.into_iter().filter_map(public_item).collect()
}

/// What users see of an item, if they see any of it.
fn public_item(mut item: Item) -> Option<Item> {
    match &mut item {
        Item::Const(it) => {
            seen(&mut it.attrs, &it.vis)?;
            it.expr = parse_quote!(_);
        }
        Item::Static(it) => {
            seen(&mut it.attrs, &it.vis)?;
            it.expr = parse_quote!(_);
        }
        Item::Fn(it) => {
            seen(&mut it.attrs, &it.vis)?;
            *it.block = nothing(&mut it.sig);
        }
        Item::Struct(it) => {
            seen(&mut it.attrs, &it.vis)?;
            public_fields(&mut it.fields);
        }
        Item::Enum(it) => {
            seen(&mut it.attrs, &it.vis)?;
            for variant in &mut it.variants {
                variant.attrs.retain(matters);
                all_fields(&mut variant.fields);
            }
        }
        Item::Union(it) => {
            seen(&mut it.attrs, &it.vis)?;
            let all = std::mem::take(&mut it.fields.named);
            it.fields.named =
                all.into_iter().filter(|field| matches!(field.vis, Visibility::Public(_))).collect();
            it.fields.named.iter_mut().for_each(|field| field.attrs.retain(matters));
        }
        Item::Trait(it) => {
            seen(&mut it.attrs, &it.vis)?;
            it.items.iter_mut().for_each(trait_item);
        }
        Item::Type(it) => seen(&mut it.attrs, &it.vis)?,
        Item::Use(it) => seen(&mut it.attrs, &it.vis)?,
        Item::Mod(it) => {
            seen(&mut it.attrs, &it.vis)?;
            if let Some((_, items)) = &mut it.content {
                *items = public(std::mem::take(items));
            }
        }
        Item::Macro(it) => {
            // Exported macros are seen wherever they stand. What they expand to is their own affair.
            it.attrs.iter().find(|attribute| attribute.path().is_ident("macro_export"))?;
            if is_unseen(&it.attrs) {
                return None;
            }
            it.attrs.retain(matters);
            it.mac.tokens = without_expansions(std::mem::take(&mut it.mac.tokens));
        }
        Item::Impl(it) => {
            if is_unseen(&it.attrs) {
                return None;
            }
            it.attrs.retain(matters);
            let of_trait = it.trait_.is_some();
            let items = std::mem::take(&mut it.items);
            it.items = items.into_iter().filter_map(|item| impl_item(item, of_trait)).collect();
            if !of_trait && it.items.is_empty() {
                return None;
            }
        }
        _ => return None,
    }
    Some(item)
}

/// Nothing if users do not see an item; else leaves the attributes that matter to them.
fn seen(attributes: &mut Vec<Attribute>, visibility: &Visibility) -> Option<()> {
    if !matches!(visibility, Visibility::Public(_)) || is_unseen(attributes) {
        return None;
    }
    attributes.retain(matters);
    Some(())
}

/// The rules of a macro: patterns and bodies take turns, and the bodies are emptied.
fn without_expansions(rules: TokenStream) -> TokenStream {
    let mut is_body = true;
    let emptied = rules.into_iter().map(|token| match token {
        TokenTree::Group(group) => {
            is_body = !is_body;
            TokenTree::Group(if is_body { Group::new(group.delimiter(), TokenStream::new()) } else { group })
        }
        other => other,
    });
    emptied.collect()
}

/// Whether something is there for tests only, or hidden from the documentation.
fn is_unseen(attributes: &[Attribute]) -> bool {
    let hidden = |attribute: &Attribute| {
        attribute.path().is_ident("doc")
            && attribute.parse_args::<Meta>().is_ok_and(|meta| meta.path().is_ident("hidden"))
    };
    only_for_tests(attributes) || attributes.iter().any(hidden)
}

fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Meta>()
                .is_ok_and(|meta| meta.path().is_ident("test") || meta.path().is_ident("doctest"))
    })
}

fn matters(attribute: &Attribute) -> bool {
    ["derive", "must_use", "non_exhaustive", "cfg", "repr", "macro_export", "error", "deprecated"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}

/// An empty body; and the names of parameters without `mut`, which is the body's affair.
fn nothing(signature: &mut Signature) -> Block {
    for input in &mut signature.inputs {
        if let syn::FnArg::Typed(typed) = input
            && let syn::Pat::Ident(name) = &mut *typed.pat
        {
            name.mutability = None;
        }
    }
    parse_quote!({})
}

fn public_fields(fields: &mut Fields) {
    match fields {
        Fields::Named(named) => {
            let all = std::mem::take(&mut named.named);
            named.named =
                all.into_iter().filter(|field| matches!(field.vis, Visibility::Public(_))).collect();
        }
        Fields::Unnamed(unnamed) => {
            let all = std::mem::take(&mut unnamed.unnamed);
            unnamed.unnamed =
                all.into_iter().filter(|field| matches!(field.vis, Visibility::Public(_))).collect();
        }
        Fields::Unit => {}
    }
    all_fields(fields);
}

fn all_fields(fields: &mut Fields) {
    fields.iter_mut().for_each(|field| field.attrs.retain(matters));
}

fn trait_item(item: &mut TraitItem) {
    match item {
        TraitItem::Fn(it) => {
            it.attrs.retain(matters);
            if let Some(body) = &mut it.default {
                *body = nothing(&mut it.sig);
            }
        }
        TraitItem::Const(it) => it.attrs.retain(matters),
        TraitItem::Type(it) => it.attrs.retain(matters),
        _ => {}
    }
}

fn impl_item(mut item: ImplItem, of_trait: bool) -> Option<ImplItem> {
    match &mut item {
        ImplItem::Fn(it) if !of_trait => {
            seen(&mut it.attrs, &it.vis)?;
            it.block = nothing(&mut it.sig);
        }
        ImplItem::Const(it) if !of_trait => {
            seen(&mut it.attrs, &it.vis)?;
            it.expr = parse_quote!(_);
        }
        // An interface made by a macro: its call is what there is to compare.
        ImplItem::Macro(_) if !of_trait => {}
        ImplItem::Type(it) if of_trait => it.attrs.retain(matters),
        _ => return None,
    }
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str) -> String {
        let file = syn::parse_file(code).expect("the code is correct");
        prettyplease::unparse(&syn::File { items: public(file.items), ..file })
    }

    #[test]
    fn what_is_private_is_left_out_and_what_is_public_has_no_body() {
        let shown = shown(
            "/// Text.\n#[derive(Debug)] pub struct Seen { pub a: u8, b: u16 }\n struct Unseen;\n\
             impl Seen { pub fn f(mut self) -> u8 { 1 } fn g(&self) {} }\n\
             pub(crate) fn inner() {}\n #[cfg(test)] pub fn test() {}\n\
             impl Drop for Seen { fn drop(&mut self) { todo() } }\n\
             pub const N: usize = 3;",
        );
        let expected = "#[derive(Debug)]\npub struct Seen {\n    pub a: u8,\n}\nimpl Seen {\n    pub fn f(mut self) -> u8 {}\n}\n\
                        impl Drop for Seen {}\npub const N: usize = _;\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_macro_shows_its_patterns_and_not_what_it_expands_to() {
        let of_rules = |rules| shown(&format!("#[macro_export] macro_rules! m {{ {rules} }}"));
        let before = of_rules("($a:expr) => { f($a) }; () => { g() };");
        assert_eq!(before, of_rules("($a:expr) => { g($a) }; () => {};"));
        assert_ne!(before, of_rules("($a:ident) => { f($a) }; () => { g() };"));
        assert_ne!(before, of_rules("($a:expr) => { f($a) };"));
    }

    #[test]
    fn what_is_hidden_is_left_out() {
        let hidden = "#[doc(hidden)] pub fn f() {} #[doc(hidden)] pub use a::f;\
                      #[doc(hidden)] #[macro_export] macro_rules! m { () => {} }\
                      pub union U { #[doc = \"hidden\"] pub a: u8, b: i8 }";
        assert_eq!(shown(hidden), "pub union U {\n    pub a: u8,\n}\n");
    }

    #[test]
    fn an_implementation_is_seen_if_its_type_is_or_if_its_trait_is_and_the_type_comes_from_elsewhere() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let is_seen = |code: &str| {
            let item = syn::parse_str(code).expect("the code is correct");
            is_of_seen_type(&item, &names(&["Seen", "Inner", "Trait"]), &names(&["Seen", "Trait"]))
        };
        for code in ["Seen", "IntoIterator for &'a Seen", "From<[Seen; 2]> for Seen", "Trait for Vec<u8>"] {
            assert!(is_seen(&format!("impl {code} {{}}")), "{code}");
        }
        for code in ["Inner", "Trait for &Inner", "Trait for [Inner]", "Debug for Vec<u8>"] {
            assert!(!is_seen(&format!("impl {code} {{}}")), "{code}");
        }
    }

    #[test]
    fn a_changed_signature_and_a_removed_item_show() {
        let before = shown("pub fn f(a: u8) {} pub fn g() {}");
        assert_ne!(before, shown("pub fn f(a: u16) {} pub fn g() {}"));
        assert_ne!(before, shown("pub fn f(a: u8) {}"));
        assert_eq!(before, shown("/// Says more.\npub fn f(a: u8) { g() } pub fn g() { drop(1) }"));
    }
}
