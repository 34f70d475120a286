//! Says what an image consists of.
use crate::file::{self, At, Unusable};
use crate::options::InspectOptions;
use rumpkin_format::{Image, MEMORY_LIMIT};
use serde_json::{Value, json};
use std::path::Path;
use thiserror::Error;

/// Reads the file at `path`, which may be an image.
///
/// # Errors
/// It cannot be read; the message names it.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    Ok(file::read(path, MEMORY_LIMIT)?)
}

/// Why a file cannot be taken for an image.
#[derive(Debug, Error)]
pub enum Error {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] At<Unusable>),
    /// It is none, or damaged.
    #[error(transparent)]
    Image(#[from] At<rumpkin_format::Error>),
}

/// Takes `file`, the bytes of `path`, apart.
///
/// # Errors
/// It is no image.
pub fn parse<'a>(path: &Path, file: &'a [u8]) -> Result<Image<'a>, Error> {
    Ok(Image::read(file).map_err(|error| At::new(path, error))?)
}

/// The same, of an image that is as it was baked.
///
/// # Errors
/// It is no image, or damaged.
pub fn parse_whole<'a>(path: &Path, file: &'a [u8]) -> Result<Image<'a>, Error> {
    let image = parse(path, file)?;
    image.verify(file).map_err(|error| At::new(path, error))?;
    Ok(image)
}

/// Prints what the image consists of.
///
/// # Errors
/// It cannot be read, is no image, or damaged.
pub fn inspect(options: &InspectOptions) -> Result<(), Error> {
    let file = read(&options.image)?;
    let image = parse_whole(&options.image, &file)?;
    let description = describe(&image, file.len());
    if options.json {
        println!("{description:#}");
    } else {
        print!("{}", text(&description));
    }
    Ok(())
}

/// JSON text as a value; text that is none, as a string.
fn value(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

fn describe(image: &Image<'_>, size: usize) -> Value {
    json!({
        "size": size,
        "entry": image.entry,
        "memory": image.memory_end(),
        "kernel": image.kernel_size(),
        "sizes": sizes(image),
        "rootfs": image.rootfs.map(<[u8]>::len),
        "checksum": format!("{:016x}", image.checksums.file),
        "manifest": value(image.manifest),
        "configuration": value(image.configuration),
    })
}

/// Bytes of each part of the file.
fn sizes(image: &Image<'_>) -> Value {
    let kernel = image.kernel_sizes();
    json!({
        "text": kernel.text,
        "rodata": kernel.rodata,
        "data": kernel.data,
        "bss": kernel.bss,
        "rootfs": image.rootfs.map_or(0, <[u8]>::len),
        "configuration": image.configuration.map_or(0, str::len),
    })
}

fn text(description: &Value) -> String {
    let in_kib =
        |value: &Value| value.as_u64().map_or("none".to_owned(), |bytes| format!("{} KiB", bytes.div_ceil(1024)));
    let kib = |key: &str| in_kib(&description[key]);
    let size = |key: &str| in_kib(&description["sizes"][key]);
    let mut text = format!(
        "image          {}\nkernel         {} in memory, entered at {:#x}\n               code {}, constants {}, data {}, zeroes {}\nroot           {}\nends at        {} of memory\nchecksum       {}, verified\n",
        kib("size"),
        kib("kernel"),
        description["entry"].as_u64().unwrap_or(0),
        size("text"),
        size("rodata"),
        size("data"),
        size("bss"),
        kib("rootfs"),
        kib("memory"),
        description["checksum"].as_str().unwrap_or_default(),
    );
    for (key, title) in [("manifest", "made of"), ("configuration", "configuration")] {
        if !description[key].is_null() {
            text.push_str(&format!("{title:<15}{}\n", description[key]));
        }
    }
    text
}
