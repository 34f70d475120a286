//! All that an image with a program is told.

use crate::{
    credentials::{Credential, Credentials},
    describe::{Form, Key},
    documents::ConfigurationError,
    node::{Node, Object, Wrong},
    program::{Program, Programs},
    settings::Settings,
};
use alloc::vec::Vec;

object! {
    /// What is to run, and what it is given.
    #[derive(Debug)]
    pub struct Userland<'a> {
        /// What to run; exactly one entry for now.
        programs: Option<Program<'a>> as Programs (optional),
        /// Secrets: each is a file in `/run/credentials`, and the program's environment has `CREDENTIALS_DIRECTORY` say so unless
        /// it is set.
        credentials: Vec<Credential> as Credentials (or Vec::new() => "{}"),
        /// Reserved; must be empty. Disks need no configuration: they are `/dev/vda` and so on.
        disks: NoDisks as NoDisks (or NoDisks => "[]"),
    }
}

/// The configuration of an image with a program, checked.
#[derive(Debug)]
pub struct Configuration<'a> {
    /// What is to run.
    pub userland: Userland<'a>,
    /// What the kernel is told.
    pub settings: Settings,
}

impl<'a> Configuration<'a> {
    /// What it is as a value.
    pub const FORM: Form = Form::Object(Self::KEYS);
    /// The keys.
    pub const KEYS: &'static [&'static [Key]] = &[Userland::KEYS, Settings::KEYS];

    /// Checks a document that may leave the program to another one.
    ///
    /// # Errors
    /// A value is not what it must be, or a key is not known; the complaint names the key.
    pub fn read(mut root: Object<'a>) -> Result<Configuration<'a>, ConfigurationError> {
        let configuration =
            Configuration { userland: Userland::take(&mut root)?, settings: Settings::take(&mut root)? };
        root.finish()?;
        Ok(configuration)
    }

    /// The program to run.
    ///
    /// # Errors
    /// There is none.
    pub fn program(&self) -> Result<&Program<'a>, ConfigurationError> {
        let missing = || Wrong::at("programs", "is missing; name a program with its argv");
        Ok(self.userland.programs.as_ref().ok_or_else(missing)?)
    }
}

/// `disks` is reserved for file systems on disks. Disks themselves need no configuration.
#[derive(Debug)]
pub struct NoDisks;

impl NoDisks {
    const FORM: Form = Form::List { of: &Form::Object(&[]), least: 0, most: 0 };

    fn read(node: Node<'_>) -> Result<NoDisks, Wrong> {
        match node.list()?.next() {
            None => Ok(NoDisks),
            Some(_) => {
                Err(node
                    .wrong("file systems on disks are not supported yet; disks are /dev/vda and so on by themselves"))
            }
        }
    }
}
