//! Says what an image consists of.
use crate::options::InspectOptions;
use rumpkin_format::Image;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Reads the image at `path` and validates it.
///
/// # Errors
/// The file cannot be read or is not an image; the message names it.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(path, &file)?;
    Ok(file)
}

/// Takes `file`, the bytes of `path`, apart.
pub fn parse<'a>(path: &Path, file: &'a [u8]) -> Result<Image<'a>, String> {
    Image::read(file).map_err(|error| format!("{}: {error}", path.display()))
}

/// Prints what the image consists of.
pub fn inspect(options: &InspectOptions) -> Result<(), String> {
    let file = read(&options.image)?;
    let image = parse(&options.image, &file)?;
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
        "rootfs": image.rootfs.map(<[u8]>::len),
        "manifest": value(image.manifest),
        "configuration": value(image.configuration),
    })
}

fn text(description: &Value) -> String {
    let kib = |key: &str| {
        description[key].as_u64().map_or("none".to_owned(), |bytes| format!("{} KiB", bytes.div_ceil(1024)))
    };
    let mut text = format!(
        "image          {}\nkernel         {} in memory, entered at {:#x}\nroot           {}\nends at        {} of memory\n",
        kib("size"),
        kib("kernel"),
        description["entry"].as_u64().unwrap_or(0),
        kib("rootfs"),
        kib("memory"),
    );
    for (key, title) in [("manifest", "made of"), ("configuration", "configuration")] {
        if !description[key].is_null() {
            text.push_str(&format!("{title:<15}{}\n", description[key]));
        }
    }
    text
}
