//! All that an image with a program is told.

use crate::{
    credentials::{Credential, Credentials},
    describe::{Form, Key},
    documents::ConfigurationError,
    mounts::{Mount, Mounts},
    node::{Object, Wrong},
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
        /// File systems that are mounted before the program starts, in this order.
        mounts: Vec<Mount> as Mounts (or Vec::new() => "[]"),
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
