//! The key `mounts`: file systems that are mounted before the program starts.

use crate::{
    describe::{Form, Text},
    node::{Node, Wrong},
};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

object! {
    /// A file system to be mounted. Which types and options there are, is the image's to say.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Mount {
        /// Where; the folder is made where there is none.
        target: String as Target (required "is missing; name a folder"),
        /// Its type, of those that the image's components bring: `tmpfs`, `proc`, `devtmpfs`.
        r#type: String as Type (required "is missing; name one of the image's, such as `tmpfs`"),
        /// What holds it, as the type understands it; for those above it is only shown. Without it, the type's name.
        source: Option<String> as Plain (optional),
        /// `ro`, `nosuid`, `nodev` and their opposites for every type; `tmpfs` has `size=` (bytes, with `k`, `m`, `g`, or `%` of
        /// memory; all without one share half of memory) and `mode=` (octal, `1777`).
        options: String as Options (or String::new() => "[]"),
    }
}

/// The list of them.
pub(crate) struct Mounts;

impl Mounts {
    pub(crate) const FORM: Form = Form::List { of: &Mount::FORM, least: 0, most: usize::MAX };

    pub(crate) fn read(node: Node<'_>) -> Result<Vec<Mount>, Wrong> {
        node.list()?.map(Mount::read).collect()
    }
}

struct Target;

impl Target {
    const FORM: Form = Form::Text(Text { what: "absolute path", pattern: "^/+[^/]", ..Text::ANY });

    fn read(node: Node<'_>) -> Result<String, Wrong> {
        node.parse(|text| match text.starts_with('/') && text.bytes().any(|byte| byte != b'/') {
            true => plain(text),
            false => Err(format!("`{text}` is not an absolute path below the root")),
        })
    }
}

struct Type;

impl Type {
    const FORM: Form = Form::Text(Text { least: 1, ..Text::ANY });

    fn read(node: Node<'_>) -> Result<String, Wrong> {
        node.parse(|text| if text.is_empty() { Err("is empty".to_string()) } else { plain(text) })
    }
}

struct Plain;

impl Plain {
    const FORM: Form = Form::Text(Text::ANY);

    fn read(node: Node<'_>) -> Result<String, Wrong> {
        node.parse(plain)
    }
}

/// Options, which come separated by commas.
struct Options;

impl Options {
    const FORM: Form = Form::List { of: &Form::Text(Text::ANY), least: 0, most: usize::MAX };

    fn read(node: Node<'_>) -> Result<String, Wrong> {
        let mut options = String::new();
        for option in node.list()? {
            if !options.is_empty() {
                options.push(',');
            }
            options.push_str(&option.parse(plain)?);
        }
        Ok(options)
    }
}

fn plain(text: &str) -> Result<String, String> {
    match text.contains('\0') {
        true => Err("holds a zero byte".to_string()),
        false => Ok(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Documents;

    fn mounts(text: &str) -> Result<Vec<Mount>, String> {
        let document = format!(r#"{{"mounts":{text}}}"#);
        let documents = Documents::read(Some(document.as_bytes()), None, 1 << 30).unwrap();
        let mut root = documents.root().unwrap().unwrap();
        Mounts::read(root.take("mounts").unwrap()).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn source_and_options_may_be_left_out() {
        let text =
            r#"[{"target":"/a","type":"tmpfs"},{"source":"s","target":"/b","type":"t","options":["ro","size=1m"]}]"#;
        let joined = |mount: &Mount| {
            let source = mount.source.as_deref().unwrap_or("none");
            [source, &*mount.target, &*mount.r#type, &*mount.options].join(" ")
        };
        let told: Vec<String> = mounts(text).unwrap().iter().map(joined).collect();
        assert_eq!(told, ["none /a tmpfs ", "s /b t ro,size=1m"]);
        assert_eq!(mounts("[]").unwrap(), []);
    }

    #[test]
    fn errors_name_the_key() {
        for (text, message) in [
            ("{}", "mounts: is an object; it must be a list"),
            (r#"[{"type":"tmpfs"}]"#, "mounts[0].target: is missing; name a folder"),
            (r#"[{"target":"/a"}]"#, "mounts[0].type: is missing; name one of the image's, such as `tmpfs`"),
            (r#"[{"target":"a","type":"t"}]"#, "mounts[0].target: `a` is not an absolute path below the root"),
            (r#"[{"target":"//","type":"t"}]"#, "mounts[0].target: `//` is not an absolute path below the root"),
            (r#"[{"target":"/a","type":""}]"#, "mounts[0].type: is empty"),
            (r#"[{"target":"/a","type":"t","options":"ro"}]"#, "mounts[0].options: is a string; it must be a list"),
            (r#"[{"target":"/a","type":"t","options":["a\u0000"]}]"#, "mounts[0].options[0]: holds a zero byte"),
            (r#"[{"target":"/a","type":"t","flags":1}]"#, "mounts[0].flags: is not a known key"),
        ] {
            assert_eq!(mounts(text).unwrap_err(), message, "{text}");
        }
    }
}
