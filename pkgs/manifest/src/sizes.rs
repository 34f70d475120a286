//! What the bytes of an image are: the kernel's, by layer and crate, and the payload's.
use crate::ingredients::{Ingredients, Package};
use elf::ElfBytes;
use elf::abi::{SHF_ALLOC, SHT_NOBITS, STT_FUNC, STT_OBJECT};
use elf::endian::LittleEndian;
use rumpkin_format::Image;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// The sizes, in bytes, of the image in `all`.
///
/// # Errors
/// The image or its kernel with symbols cannot be read.
pub fn sizes(all: &Ingredients) -> Result<Value, String> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let file = read(&all.image)?;
    let image = Image::read(&file).map_err(|error| format!("{}: {error}", all.image.display()))?;
    let symbols = read(&all.symbols)?;
    let crates = by_crate(&symbols, all).map_err(|error| format!("{}: {error}", all.symbols.display()))?;
    let kernel = image.kernel_sizes();

    let mut layers: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, size) in &crates {
        *layers.entry(layer_of(name, all)).or_default() += size;
    }
    let named: u64 = crates.values().sum();
    let unnamed = (kernel.text + kernel.rodata + kernel.data).saturating_sub(named);
    layers.insert("unnamed", unnamed);
    Ok(json!({
        "image": file.len(),
        "kernel": { "text": kernel.text, "rodata": kernel.rodata, "data": kernel.data, "bss": kernel.bss },
        "rootfs": image.rootfs.map(<[u8]>::len),
        "packages": packages(&all.packages)?,
        "configuration": image.configuration.map(str::len),
        "layers": layers,
        "crates": crates,
    }))
}

/// The bytes of files in each package, in the image and left out of it.
fn packages(all: &[Package]) -> Result<Value, String> {
    let size = |path: &Path| bytes(path).map_err(|error| format!("{}: {error}", path.display()));
    let described = |package: &Package| {
        let (whole, image) = (size(&package.store)?, size(&package.copy)?);
        Ok((package.store.display().to_string(), json!({ "image": image, "excluded": whole.saturating_sub(image) })))
    };
    Ok(Value::Object(all.iter().map(described).collect::<Result<_, String>>()?))
}

/// The bytes of all files in `path`.
fn bytes(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(if metadata.is_file() { metadata.len() } else { 0 });
    }
    fs::read_dir(path)?.map(|entry| bytes(&entry?.path())).sum()
}

/// The layer that a crate of ours belongs to; "crates" for others' and "rust" for those of the compiler.
fn layer_of<'a>(name: &str, all: &'a Ingredients) -> &'a str {
    let ours = all.kernel.iter().find(|component| component.name.replace('-', "_") == name);
    let folder = ours.and_then(|component| component.folder.as_ref());
    match (ours, folder.and_then(|folder| all.layers.iter().find(|layer| layer.members.contains(folder)))) {
        (_, Some(layer)) => &layer.name,
        (Some(_), None) => "crates",
        (None, None) if TOOLCHAIN.contains(&name) => "rust",
        (None, None) => "other",
    }
}

/// The compiler's own crates in the kernel.
const TOOLCHAIN: [&str; 3] = ["alloc", "compiler_builtins", "core"];

/// The bytes of functions and data by crate, those of no crate under "other". What is at one address is counted once.
fn by_crate(file: &[u8], all: &Ingredients) -> Result<BTreeMap<String, u64>, elf::ParseError> {
    let known: Vec<String> = all.kernel.iter().map(|component| component.name.replace('-', "_")).collect();
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let mut sizes = BTreeMap::new();
    let (Some(sections), Some((symbols, names))) = (elf.section_headers(), elf.symbol_table()?) else {
        return Ok(sizes);
    };
    let mut places: BTreeMap<u64, (&[u8], u64)> = BTreeMap::new();
    for symbol in symbols.iter().filter(|symbol| [STT_FUNC, STT_OBJECT].contains(&symbol.st_symtype())) {
        let Ok(section) = sections.get(symbol.st_shndx.into()) else { continue };
        if section.sh_flags & u64::from(SHF_ALLOC) == 0 || section.sh_type == SHT_NOBITS {
            continue;
        }
        let found = (names.get_raw(symbol.st_name as usize)?, symbol.st_size);
        let place = places.entry(symbol.st_value).or_insert(found);
        // One name of several: always the same, whatever their order.
        *place = (place.0.min(found.0), place.1.max(found.1));
    }
    for (name, size) in places.values() {
        let name = String::from_utf8_lossy(name);
        *sizes.entry(crate_of(&name, &known).to_owned()).or_default() += size;
    }
    Ok(sizes)
}

/// The crate whose code a symbol is. rustc's names begin with `_ZN`, a length, and the crate, or a type of the crate that
/// implements something.
fn crate_of<'a>(symbol: &str, known: &'a [String]) -> &'a str {
    let Some(path) = symbol.strip_prefix("_ZN") else { return "other" };
    let path = path.trim_start_matches(|letter: char| letter.is_ascii_digit());
    path.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        // A name that begins with a special character has an underscore before that.
        .map(|word| word.trim_start_matches('_'))
        .find_map(|word| {
            known
                .iter()
                .map(String::as_str)
                .chain(TOOLCHAIN)
                .filter(|name| word == *name || begins(word, name))
                .max_by_key(|name| name.len())
        })
        .unwrap_or("other")
}

/// Whether `word` is the crate's name and then the next part of the path, such as `rumpkin_vfs4tree8Location`.
fn begins(word: &str, name: &str) -> bool {
    word.strip_prefix(name).is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_tell_their_crate() {
        let known = ["rumpkin_vfs", "rumpkin", "rumpuser", "x86_64"].map(str::to_owned);
        for (symbol, name) in [
            ("_ZN11rumpkin_vfs4tree8Location5above17h58137a3db0b512b5E", "rumpkin_vfs"),
            ("_ZN63_$LT$rumpkin_vfs..tmpfs..Node$u20$as$u20$rumpuser..Node$GT$4read17h0E", "rumpkin_vfs"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", "core"),
            ("_ZN6x86_648registers17h0E", "x86_64"),
            ("memcpy", "other"),
            ("_ZN7unknown4main17h0E", "other"),
        ] {
            assert_eq!(crate_of(symbol, &known), name, "{symbol}");
        }
    }
}
