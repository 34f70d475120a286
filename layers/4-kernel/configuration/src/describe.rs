//! What a document can say: an object is defined once, and of its definition come both what reads it and what describes it.
//!
//! `object!` makes a struct of an object's keys. Each key has a reader, a type with `FORM`, which describes a
//! value, and `read`, which checks one. Nothing that runs in a guest looks at the description, so that it is not in an image:
//! the schema for editors and Nix (`docs/configuration.schema.json`) and the table in `docs/configuration.md` are made of it.

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// True or false.
    Flag,
    /// A string.
    Text(Text),
    /// One of these strings.
    Words(&'static [&'static str]),
    /// A list.
    List {
        /// Its values.
        of: &'static Form,
        /// How many there are at least.
        least: usize,
        /// How many there are at most; `usize::MAX` if the document's length is what limits them.
        most: usize,
    },
    /// An object with these keys, in parts.
    Object(&'static [&'static [Key]]),
    /// An object whose keys are names.
    Table {
        /// What a name must be.
        names: Text,
        /// Its values.
        of: &'static Form,
    },
}

/// What a string is.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// In words.
    pub what: &'static str,
    /// A regular expression that it matches (ECMA-262); empty if anything does.
    pub pattern: &'static str,
    /// A format of JSON Schema; empty if there is none for it.
    pub format: &'static str,
    /// The fewest characters.
    pub least: usize,
    /// The most characters; `usize::MAX` if the document's length is what limits them.
    pub most: usize,
}

impl Text {
    /// Any string.
    pub const ANY: Text = Text { what: "string", pattern: "", format: "", least: 0, most: usize::MAX };
}

/// A key of an object.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// What holds without it, as JSON; empty if that cannot be said so.
    pub default: &'static str,
    /// Whether it must be there. `null` is as good as nothing.
    pub required: bool,
    /// Its value.
    pub form: &'static Form,
}

/// The key that a field of this name is for: `type` for `r#type`. To be asked for in constants: what splits a text at run time
/// brings tables of Unicode along.
pub(crate) const fn key_of(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Defines an object: a struct, what reads it (`read`, or `take`, which leaves other keys to others) and `KEYS`, which
/// describes it.
///
/// Behind `as` stands the key's reader, and in parentheses what holds without the key: `or` a value, with `=>` the same as JSON
/// where that can be said; `optional` for `None`; `required` with a sentence that says how to mend it. After `with` may stand
/// a function that looks at all of it.
macro_rules! object {
    (
        $(#[$about:meta])*
        pub struct $name:ident $(<$life:lifetime>)? {
            $( $(#[doc = $meaning:literal])+ $field:ident: $type:ty as $reader:ident ($($absent:tt)+), )+
        }
        $(with $check:path)?
    ) => {
        $(#[$about])*
        pub struct $name $(<$life>)? {
            $( $(#[doc = $meaning])+ pub $field: $type, )+
        }

        impl<'a> $name $(<$life>)? {
            /// The keys.
            pub const KEYS: &'static [$crate::describe::Key] = &[
                $( $crate::describe::Key {
                    name: $crate::describe::key_of(stringify!($field)),
                    meaning: concat!($($meaning),+),
                    default: object!(@default $($absent)+),
                    required: object!(@required $($absent)+),
                    form: &$reader::FORM,
                }, )+
            ];
            /// What it is as a value.
            pub const FORM: $crate::describe::Form = $crate::describe::Form::Object(&[Self::KEYS]);

            /// Takes its keys out of an object.
            ///
            /// # Errors
            /// A value is not what it must be; the complaint names the key.
            pub fn take(object: &mut $crate::node::Object<'a>) -> Result<Self, $crate::node::Wrong> {
                let taken = $name {
                    $( $field: object!(@take object $field $reader $($absent)+), )+
                };
                $( $check(&taken, object)?; )?
                Ok(taken)
            }

            /// Checks an object that has no other keys.
            ///
            /// # Errors
            /// As above, or it has other keys.
            pub fn read(node: $crate::node::Node<'a>) -> Result<Self, $crate::node::Wrong> {
                let mut object = node.object()?;
                let taken = Self::take(&mut object)?;
                object.finish()?;
                Ok(taken)
            }
        }
    };
    (@default or $value:expr => $json:literal) => { $json };
    (@default $($absent:tt)+) => { "" };
    (@required required $mend:literal) => { true };
    (@required $($absent:tt)+) => { false };
    (@take $object:ident $field:ident $reader:ident or $value:expr $(=> $json:literal)?) => {
        match $object.take(const { $crate::describe::key_of(stringify!($field)) }) {
            Some(node) => $reader::read(node)?,
            None => $value,
        }
    };
    (@take $object:ident $field:ident $reader:ident optional) => {
        $object.take(const { $crate::describe::key_of(stringify!($field)) }).map($reader::read).transpose()?
    };
    (@take $object:ident $field:ident $reader:ident required $mend:literal) => {
        match $object.take(const { $crate::describe::key_of(stringify!($field)) }) {
            Some(node) => $reader::read(node)?,
            None => return Err($object.wrong(const { $crate::describe::key_of(stringify!($field)) }, $mend)),
        }
    };
}
