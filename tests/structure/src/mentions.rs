//! The paths that a file mentions, and the modules that it declares.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, File, ImplItemFn, Item, ItemMod, ItemUse, Macro, Meta, Path, Stmt, UseTree, VisRestricted,
    visit::{self, Visit},
};

/// A path, in the module where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The module, from the file's own downwards.
    pub module: Vec<String>,
    /// The path's words; `*` for what a glob names.
    pub path: Vec<String>,
    /// What a `use` calls it in that module.
    pub alias: Option<String>,
}

/// What a file mentions, and which modules it declares that lie in files of their own (each with the inline modules around it).
pub fn mentions(file: &File) -> (Vec<Mention>, Vec<Vec<String>>) {
    let mut reader = Reader::default();
    reader.visit_file(file);
    (reader.mentions, reader.declared)
}

#[derive(Default)]
struct Reader {
    module: Vec<String>,
    mentions: Vec<Mention>,
    declared: Vec<Vec<String>>,
}

impl Reader {
    fn mention(&mut self, path: Vec<String>, alias: Option<String>) {
        self.mentions.push(Mention { module: self.module.clone(), path, alias });
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |word: String| before.iter().cloned().chain([word]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(path.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Glob(_) => self.mention(with("*".into()), None),
            UseTree::Name(name) => self.name(before, &name.ident.to_string(), None),
            UseTree::Rename(rename) => self.name(before, &rename.ident.to_string(), Some(rename.rename.to_string())),
        }
    }

    fn name(&mut self, before: &[String], name: &str, alias: Option<String>) {
        let mut path = before.to_vec();
        if name != "self" || before.is_empty() {
            path.push(name.into());
        }
        let alias = alias.or_else(|| path.last().cloned());
        self.mention(path, alias);
    }

    /// Paths among a macro's tokens. Those from `$crate` are meant for where the macro is used.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut foreign) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Ident(word) if colons == 2 || path.is_empty() => {
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() && colons < 2 => colons += 1,
                other => {
                    self.end(&mut path, foreign);
                    (colons, foreign) = (0, false);
                    match other {
                        TokenTree::Ident(word) => path.push(word.to_string()),
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Punct(mark) => foreign = mark.as_char() == '$',
                        TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.end(&mut path, foreign);
    }

    fn end(&mut self, path: &mut Vec<String>, foreign: bool) {
        let path = std::mem::take(path);
        if path.len() > 1 && !foreign {
            self.mention(path, None);
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || matches!(&attribute.meta, Meta::List(list)
                if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes: &[Attribute] = match statement {
            Stmt::Local(local) => &local.attrs,
            Stmt::Macro(statement) => &statement.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        match &item.content {
            Some((_, items)) => items.iter().for_each(|item| self.visit_item(item)),
            None => self.declared.push(self.module.clone()),
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.segments.len() > 1 {
            self.mention(path.segments.iter().map(|segment| segment.ident.to_string()).collect(), None);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    // `pub(in path)` is no use.
    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}
