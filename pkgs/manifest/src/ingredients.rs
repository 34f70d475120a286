//! What an image was made of, as Nix tells it (pkgs/lib/about.nix), and the lists of components that builds leave behind.
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a package keeps the list of what was linked into its programs.
const LIST: &str = "share/rumpkin/components";

/// Where Nix keeps everything.
const STORE: &str = "/nix/store";

/// What an image was made of.
pub struct Ingredients {
    /// The image's name.
    pub name: String,
    /// The image.
    pub image: PathBuf,
    /// The kernel with symbols.
    pub symbols: PathBuf,
    /// What was linked into the kernel.
    pub kernel: Vec<Component>,
    /// The kernel's layers, lowest first.
    pub layers: Vec<Layer>,
    /// What was put into the root file system, or linked into the kernel from outside.
    pub parts: Vec<Part>,
    /// What the image has below /nix/store.
    pub packages: Vec<Package>,
}

/// Something of Nix's store that the image has at the same place.
pub struct Package {
    /// Where Nix has it.
    pub store: PathBuf,
    /// A copy of it without what was left out.
    pub copy: PathBuf,
}

/// A layer of the kernel.
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Where Nix put its result; not read.
    pub store: String,
    /// A folder with its sources and those of the layers below.
    pub source: PathBuf,
    /// Its crates' folders in that.
    pub members: Vec<String>,
}

/// Something that was linked into a program: a crate, a library. An absent field is not known.
#[derive(Clone)]
pub struct Component {
    /// Its package URL.
    pub purl: Option<String>,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// An SPDX expression.
    pub licence: Option<String>,
    /// SHA-256 in hexadecimal, of what was downloaded.
    pub sum: Option<String>,
    /// For what was not downloaded: its folder in the sources.
    pub folder: Option<String>,
}

/// A package, file or folder that became a part of the image.
pub struct Part {
    /// Where Nix has it: a store path.
    pub store: PathBuf,
    /// Where the image has it; absent for what is in the kernel.
    pub place: Option<String>,
    /// What is known of the package itself.
    pub package: Component,
    /// What was linked into it.
    pub components: Vec<Component>,
}

impl Ingredients {
    /// Reads the document at `path` and the lists that it refers to.
    ///
    /// # Errors
    /// One of them cannot be read or lacks something; the message says which and what.
    pub fn read(path: &Path) -> Result<Ingredients, String> {
        let value: Value =
            serde_json::from_str(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let all = || {
            Some(Ingredients {
                name: string(&value, "name")?,
                image: string(&value, "image")?.into(),
                symbols: string(&value, "symbols")?.into(),
                kernel: Vec::new(),
                layers: list(&value, "layers").map(layer).collect::<Option<_>>()?,
                parts: Vec::new(),
                packages: Vec::new(),
            })
        };
        let mut all = all().ok_or_else(|| format!("{}: not what pkgs/lib/about.nix writes", path.display()))?;
        all.kernel = list_at(Path::new(&string(&value, "components").unwrap_or_default()))?;
        all.parts = list(&value, "parts").map(part).collect::<Result<_, _>>()?;
        if let Some(tree) = string(&value, "tree") {
            all.packages = packages(Path::new(&tree))?;
        }
        for package in &all.packages {
            let place = package.store.display().to_string();
            all.parts.push(described(&place, Some(place.clone()), &Value::Null)?);
        }
        Ok(all)
    }
}

/// What a root file system made of the folder `tree` has below /nix/store.
fn packages(tree: &Path) -> Result<Vec<Package>, String> {
    let folder = tree.join(STORE.trim_start_matches('/'));
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(&folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    let mut names: Vec<OsString> = names.map_err(|error| format!("{}: {error}", folder.display()))?;
    names.sort();
    Ok(names.into_iter().map(|name| Package { store: Path::new(STORE).join(&name), copy: folder.join(name) }).collect())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn string(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn layer(value: &Value) -> Option<Layer> {
    Some(Layer {
        name: string(value, "name")?,
        store: string(value, "store")?,
        source: string(value, "source")?.into(),
        members: list(value, "members").map(|member| member.as_str().map(str::to_owned)).collect::<Option<_>>()?,
    })
}

fn part(value: &Value) -> Result<Part, String> {
    let path = string(value, "path").ok_or("a part without a path")?;
    described(&path, string(value, "place"), value)
}

/// What has been made of `path`, with what `value` says of it, if anything.
fn described(path: &str, place: Option<String>, value: &Value) -> Result<Part, String> {
    let store = store_path(path).ok_or_else(|| format!("{path} is not in Nix's store"))?;
    let (name, version) = name_and_version(&store);
    let package = Component {
        purl: string(value, "purl"),
        name: string(value, "name").unwrap_or(name),
        version: string(value, "version").unwrap_or(version),
        licence: string(value, "licence"),
        sum: string(value, "sum"),
        folder: None,
    };
    let beside = store.join(LIST);
    let mut components = if beside.exists() { list_at(&beside)? } else { Vec::new() };
    components.extend(list(value, "inputs").filter_map(|input| {
        Some(Component {
            purl: None,
            name: string(input, "name")?,
            version: string(input, "version")?,
            licence: string(input, "licence"),
            sum: None,
            folder: None,
        })
    }));
    let package = known_by_its_crate(package, &components);
    Ok(Part { store, place, package, components })
}

/// A package without a version has that of the one crate that it was built from, and its licence.
fn known_by_its_crate(mut package: Component, components: &[Component]) -> Component {
    let mut own = components.iter().filter(|component| component.folder.is_some());
    if let (true, Some(one), None) = (package.version.is_empty(), own.next(), own.next()) {
        package.version.clone_from(&one.version);
        package.licence = package.licence.or_else(|| one.licence.clone());
    }
    package
}

/// The components in a list: one a line, with tabs between package URL, name, version, licence, checksum and folder; a
/// hyphen stands for what is not known.
fn list_at(path: &Path) -> Result<Vec<Component>, String> {
    let parse = |line: &str| {
        let known = |text: &str| (text != "-").then(|| text.to_owned());
        match *line.split('\t').collect::<Vec<_>>() {
            [purl, name, version, licence, sum, folder] => Ok(Component {
                purl: known(purl),
                name: name.into(),
                version: version.into(),
                licence: known(licence).map(|licence| licence.replace('/', " OR ")),
                sum: known(sum),
                folder: known(folder),
            }),
            _ => Err(format!("{}: not a component: {line}", path.display())),
        }
    };
    read(path)?.lines().map(parse).collect()
}

/// The part of `path` that names something in Nix's store.
fn store_path(path: &str) -> Option<PathBuf> {
    let inside = path.strip_prefix(STORE)?.strip_prefix('/')?;
    let name = inside.split('/').next().filter(|name| name.len() > 33)?;
    Some(Path::new(STORE).join(name))
}

/// Name and version by the store path, which has both after the hash, divided as Nix does it: by the first hyphen that no
/// letter follows.
fn name_and_version(store: &Path) -> (String, String) {
    let file = store.file_name().unwrap_or_default().to_string_lossy();
    let name = file.get(33..).unwrap_or_default();
    let division = name
        .match_indices('-')
        .find(|(place, _)| name[place + 1..].chars().next().is_some_and(|next| !next.is_ascii_alphabetic()));
    match division {
        Some((place, _)) => (name[..place].into(), name[place + 1..].into()),
        None => (name.into(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_paths_have_names_and_versions() {
        let hash = "a".repeat(32);
        for (name, expected) in [
            ("redis-static-x86_64-unknown-linux-musl-7.2.4", ("redis-static-x86_64-unknown-linux-musl", "7.2.4")),
            ("greeter", ("greeter", "")),
            ("busybox-static-1.35.0-4", ("busybox-static", "1.35.0-4")),
        ] {
            let store = store_path(&format!("/nix/store/{hash}-{name}/bin/x")).unwrap();
            let (name, version) = name_and_version(&store);
            assert_eq!((name.as_str(), version.as_str()), expected);
        }
        assert_eq!(store_path("/bin/sh"), None);
        assert_eq!(store_path("/nix/store/short"), None);
    }

    #[test]
    fn packages_of_a_root_file_system_are_those_below_its_store() {
        let tree = tempfile::tempdir().unwrap();
        assert!(packages(tree.path()).unwrap().is_empty());
        for name in ["b-2", "a-1"] {
            fs::create_dir_all(tree.path().join("nix/store").join(name)).unwrap();
        }
        let found = packages(tree.path()).unwrap();
        let stores: Vec<_> = found.iter().map(|package| package.store.to_str().unwrap()).collect();
        assert_eq!(stores, ["/nix/store/a-1", "/nix/store/b-2"]);
        assert_eq!(found[0].copy, tree.path().join("nix/store/a-1"));
    }

    #[test]
    fn a_package_of_one_crate_has_its_version() {
        let component = |name: &str, version: &str, folder: Option<&str>| Component {
            purl: None,
            name: name.into(),
            version: version.into(),
            licence: Some("MIT".into()),
            sum: None,
            folder: folder.map(str::to_owned),
        };
        let package = || component("web-program", "", None);
        let (own, foreign) = (component("web", "1.2.3", Some(".")), component("tokio", "1", None));
        assert_eq!(known_by_its_crate(package(), &[foreign, own.clone()]).version, "1.2.3");
        assert_eq!(known_by_its_crate(package(), &[own.clone(), own]).version, "");
    }

    #[test]
    fn lists_of_components_are_read_or_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "pkg:cargo/a@1\ta\t1\tMIT/Apache-2.0\tab\t-\n-\tb\t2\t-\t-\tlayers/b\n").unwrap();
        let list = list_at(file.path()).unwrap();
        assert_eq!(list[0].licence.as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!((list[1].purl.as_deref(), list[1].folder.as_deref()), (None, Some("layers/b")));
        fs::write(file.path(), "a\tb\n").unwrap();
        assert!(list_at(file.path()).err().unwrap().contains("not a component: a\tb"));
    }
}
