//! The files of a crate and what each mentions.

use crate::mentions::{Mention, mentions};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A crate of the workspace, by the files that its root declares.
#[derive(Debug, Default)]
pub struct Crate {
    /// Files by the path of their module; the root's is empty.
    files: BTreeMap<Vec<String>, PathBuf>,
    /// Each module that is written in another's file, and that one.
    inline: BTreeMap<Vec<String>, Vec<String>>,
    /// What is mentioned, with the whole path of the module.
    mentions: Vec<Mention>,
}

/// A folder of the workspace.
pub fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// What all files below a folder mention, tests too.
///
/// # Panics
/// If a file cannot be read, or is not Rust.
pub fn read_folder(path: &Path) -> Vec<(PathBuf, Vec<Mention>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            found.extend(read_folder(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((path, mentions(&file).0));
        }
    }
    found
}

impl Crate {
    /// Reads the crate in a folder of the workspace.
    ///
    /// # Panics
    /// If a file is not there or not Rust.
    pub fn read(path: &str) -> Crate {
        let sources = folder(path).join("src");
        Crate::of(&|file| fs::read_to_string(sources.join(file)).ok())
    }

    /// Reads the crate whose files `read` gives by their path below `src`.
    ///
    /// # Panics
    /// If a file is not there or not Rust.
    pub fn of(read: &dyn Fn(&Path) -> Option<String>) -> Crate {
        let mut found = Crate::default();
        let root = ["lib.rs", "main.rs"].into_iter().find(|name| read(Path::new(name)).is_some());
        found.add(read, Path::new(root.expect("a crate has lib.rs or main.rs")), Vec::new());
        found
    }

    fn add(&mut self, read: &dyn Fn(&Path) -> Option<String>, path: &Path, module: Vec<String>) {
        let text = read(path).unwrap_or_else(|| panic!("no {}", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (mentioned, declared) = mentions(&file);
        let absolute = |inner: &[String]| module.iter().chain(inner).cloned().collect::<Vec<_>>();
        self.files.insert(module.clone(), path.into());
        for mention in mentioned {
            for depth in 1..=mention.module.len() {
                self.inline.insert(absolute(mention.module.get(..depth).unwrap_or_default()), module.clone());
            }
            self.mentions.push(Mention { module: absolute(&mention.module), ..mention });
        }
        for inner in declared {
            let child = absolute(&inner);
            let place = child.iter().collect::<PathBuf>();
            let candidates = [place.with_extension("rs"), place.join("mod.rs")];
            let path = candidates.iter().find(|path| read(path).is_some());
            self.add(read, path.unwrap_or_else(|| panic!("no file for {}", child.join("::"))), child);
        }
    }

    /// The module in whose file this module is written, if there is such a module.
    pub(crate) fn file_of<'a>(&'a self, module: &'a [String]) -> Option<&'a [String]> {
        if self.files.contains_key(module) { Some(module) } else { self.inline.get(module).map(Vec::as_slice) }
    }

    /// The path of a module's file.
    pub(crate) fn path(&self, module: &[String]) -> &Path {
        self.files.get(module).map_or(Path::new(""), PathBuf::as_path)
    }

    pub(crate) fn mentions(&self) -> &[Mention] {
        &self.mentions
    }

    /// What each file mentions.
    pub fn by_file(&self) -> impl Iterator<Item = (&Path, &Mention)> {
        self.mentions.iter().filter_map(|mention| Some((self.path(self.file_of(&mention.module)?), mention)))
    }
}
