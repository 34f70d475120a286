//! Circles between files.

use crate::{Crate, Mention};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

/// A file uses another, and by which path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// Who uses.
    pub from: PathBuf,
    /// Who is used.
    pub to: PathBuf,
    /// What of it, in words.
    pub what: String,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} uses {}: {}", self.from.display(), self.to.display(), self.what)
    }
}

/// Each file's use of another that is part of a circle.
pub fn circles(of: &Crate) -> Vec<Use> {
    let uses = uses(of);
    let mut next: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = BTreeMap::new();
    for found in &uses {
        next.entry(&found.from).or_default().insert(&found.to);
    }
    let leads_to = |from: &PathBuf, to: &PathBuf| {
        let (mut seen, mut left) = (BTreeSet::from([from]), vec![from]);
        while let Some(at) = left.pop() {
            if at == to {
                return true;
            }
            left.extend(next.get(at).into_iter().flatten().filter(|&&file| seen.insert(file)));
        }
        false
    };
    let in_circles = uses.iter().filter(|found| leads_to(&found.to, &found.from));
    // One for each two files.
    let mut found: Vec<Use> = Vec::new();
    for one in in_circles {
        match found.last_mut() {
            Some(last) if last.from == one.from && last.to == one.to => last.what += &format!(", {}", one.what),
            _ => found.push(one.clone()),
        }
    }
    found
}

fn uses(of: &Crate) -> BTreeSet<Use> {
    let mut names: BTreeMap<(&[String], &str), Vec<String>> = BTreeMap::new();
    for mention in of.mentions() {
        if let (Some(alias), Some(path)) = (&mention.alias, absolute(of, mention, &BTreeMap::new())) {
            names.insert((&mention.module, alias), path);
        }
    }
    let mut uses = BTreeSet::new();
    for mention in of.mentions() {
        let Some(path) = absolute(of, mention, &names) else { continue };
        let Some(from) = of.file_of(&mention.module) else { continue };
        // The module that the item is looked up in. A module that is only named says nothing until something of it is.
        let depth = (0..path.len()).rev().find(|&depth| of.file_of(path.get(..depth).unwrap_or_default()).is_some());
        let Some(to) = depth.and_then(|depth| of.file_of(path.get(..depth)?)) else { continue };
        if from != to && of.file_of(&path).is_none() {
            uses.insert(Use { from: of.path(from).into(), to: of.path(to).into(), what: path.join("::") });
        }
    }
    uses
}

/// The path from the crate's root, or `None` if it leads to another crate.
fn absolute(of: &Crate, mention: &Mention, names: &BTreeMap<(&[String], &str), Vec<String>>) -> Option<Vec<String>> {
    let (mut at, mut rest) = (mention.module.clone(), mention.path.as_slice());
    let mut is_anchored = false;
    while let Some((word, behind)) = rest.split_first() {
        match word.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop()?;
            }
            _ => break,
        }
        (rest, is_anchored) = (behind, true);
    }
    let (first, behind) = rest.split_first()?;
    let child = at.iter().chain([first]).cloned().collect::<Vec<_>>();
    if is_anchored || of.file_of(&child).is_some() {
        at.extend(rest.iter().cloned());
        return Some(at);
    }
    let named = names.get(&(mention.module.as_slice(), first.as_str()))?;
    Some(named.iter().chain(behind).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &std::path::Path| {
            let found = files.iter().find(|(name, _)| path == std::path::Path::new(name));
            found.map(|(_, text)| text.to_string())
        };
        circles(&Crate::of(&read)).iter().map(Use::to_string).collect()
    }

    #[test]
    fn uses_one_way_are_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::f;"),
            ("a.rs", "use crate::b; pub fn f() { b::g() }"),
            ("b.rs", "pub fn g() {} #[cfg(test)] mod tests { use crate::a::f; } #[cfg(test)] use crate::a::f;"),
        ];
        assert_eq!(circles_of(&files), [""; 0]);
    }

    #[test]
    fn a_circle_is_found_by_paths_in_use_code_and_macros() {
        let b = [
            "use crate::a::f;",
            "use super::a::{self as other, *};",
            "fn g() { crate::a::f() }",
            "use crate::a as other; fn g() { other::f() }",
            "fn g() { println!(\"{}\", 1 + super::a::f()) }",
            "mod inner { fn g() -> super::super::a::F { todo() } }",
        ];
        for text in b {
            let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "fn f() { super::b::g() }"), ("b.rs", text)];
            assert_eq!(circles_of(&files).len(), 2, "{text}");
        }
    }

    #[test]
    fn a_child_that_uses_what_its_parent_owns_makes_a_circle_with_a_parent_that_uses_it() {
        let child = ("a/b.rs", "use super::Error; pub fn g() -> Error { Error }");
        let parent = |text| [("lib.rs", "mod a;"), ("a/mod.rs", text), child];
        assert_eq!(
            circles_of(&parent("mod b; pub use b::g; pub struct Error;")),
            ["a/b.rs uses a/mod.rs: a::Error", "a/mod.rs uses a/b.rs: a::b::g"]
        );
        assert_eq!(circles_of(&parent("mod b; pub struct Error;")), [""; 0]);
    }

    #[test]
    fn paths_of_other_crates_and_of_where_a_macro_is_used_do_not_count() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "macro_rules! m { () => { $crate::b::g() } } use std::b::g; fn f() { alloc::b::g() }"),
            ("b.rs", "use crate::a::f;"),
        ];
        assert_eq!(circles_of(&files), [""; 0]);
    }
}
