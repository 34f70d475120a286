//! The key `programs`: what to run.

use crate::{
    describe::{Form, Text},
    node::{Node, Object, Wrong},
};
use alloc::{borrow::Cow, format, string::String};

/// The bytes that arguments and environment may take together, with eight for a pointer to each: a quarter of the stack, as on
/// Linux.
pub const MOST_ARGUMENTS: usize = 2 << 20;
/// Of a pointer, and of the zero byte at a string's end.
const BESIDE: usize = 8 + 1;

object! {
    /// A program to run. Its strings are where the document has them.
    #[derive(Debug)]
    pub struct Program<'a> {
        /// Path of the program in the image, and its arguments.
        argv: Arguments<'a> as Arguments (required "is missing or empty; its first entry is the path of the program"),
        /// Its environment.
        env: Variables<'a> as Variables (or Variables(None) => "{}"),
        /// Its working directory.
        cwd: String as AbsolutePath (or String::from("/") => "\"/\""),
    }
    with fits
}

/// Refuses more than a program's stack has room for.
fn fits(program: &Program<'_>, object: &Object<'_>) -> Result<(), Wrong> {
    let mut bytes = 0usize;
    for argument in program.argv.iter() {
        bytes = bytes.saturating_add(argument.string()?.len()).saturating_add(BESIDE);
    }
    for (name, value) in program.env.iter() {
        let text = name.string()?.len().saturating_add(1).saturating_add(value.string()?.len());
        bytes = bytes.saturating_add(text).saturating_add(BESIDE);
    }
    match bytes > MOST_ARGUMENTS {
        true => Err(object.node().wrong(format!(
            "argv and env take {bytes} bytes, eight for each string among them; a program can be given {MOST_ARGUMENTS}"
        ))),
        false => Ok(()),
    }
}

/// The one entry of `programs`.
pub(crate) struct Programs;

impl Programs {
    pub(crate) const FORM: Form = Form::List { of: &Program::FORM, least: 1, most: 1 };

    pub(crate) fn read(node: Node<'_>) -> Result<Program<'_>, Wrong> {
        let mut list = node.list()?;
        match (list.next(), list.next()) {
            (Some(program), None) => Program::read(program),
            (None, _) => Err(node.wrong("is empty; name a program with its argv")),
            (Some(_), Some(_)) => Err(node.wrong("several programs in one image are not supported yet; leave one")),
        }
    }
}

/// A path and arguments: at least one string, all of them strings that a program can be given.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a>(Node<'a>);

impl<'a> Arguments<'a> {
    const FORM: Form = Form::List { of: &Form::Text(Text::ANY), least: 1, most: usize::MAX };

    fn read(node: Node<'a>) -> Result<Arguments<'a>, Wrong> {
        let mut is_empty = true;
        for argument in node.list()? {
            plain_string(argument)?;
            is_empty = false;
        }
        match is_empty {
            true => Err(node.wrong("is missing or empty; its first entry is the path of the program")),
            false => Ok(Arguments(node)),
        }
    }

    /// The strings.
    pub fn iter(self) -> impl Iterator<Item = Node<'a>> {
        self.0.list().into_iter().flatten()
    }
}

/// An environment: names, and values, all of them strings that a program can be given.
#[derive(Debug, Clone, Copy)]
pub struct Variables<'a>(Option<Node<'a>>);

impl<'a> Variables<'a> {
    const FORM: Form = Form::Table {
        names: Text { what: "name without `=`", pattern: "^[^=\\u0000]+$", ..Text::ANY },
        of: &Form::Text(Text::ANY),
    };

    fn read(node: Node<'a>) -> Result<Variables<'a>, Wrong> {
        for (key, value) in node.object()?.entries() {
            let name = key.string()?;
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(key.wrong("is no name for an environment variable"));
            }
            plain_string(value)?;
        }
        Ok(Variables(Some(node)))
    }

    /// The names and values, in the order of the names.
    pub fn iter(self) -> impl Iterator<Item = (Node<'a>, Node<'a>)> {
        self.0.and_then(|node| node.object().ok()).into_iter().flat_map(Object::entries)
    }
}

/// Checks that a program can be given the string.
fn plain_string(node: Node<'_>) -> Result<Cow<'_, str>, Wrong> {
    let text = node.string()?;
    match text.contains('\0') {
        true => Err(node.wrong("holds a zero byte, which no program can be given")),
        false => Ok(text),
    }
}

struct AbsolutePath;

impl AbsolutePath {
    const FORM: Form = Form::Text(Text { what: "absolute path", pattern: "^/", ..Text::ANY });

    fn read(node: Node<'_>) -> Result<String, Wrong> {
        node.parse(|text| match text.starts_with('/') && !text.contains('\0') {
            true => Ok(String::from(text)),
            false => Err(format!("`{text}` is not an absolute path")),
        })
    }
}
