//! Why an image cannot be baked, and how to mend it.
use rumpkin_configuration::{ConfigurationError, Malformed};
use std::fmt;

/// What is wrong with one of the inputs, or with their sum.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Error {
    /// The kernel has a payload already.
    AlreadyBaked,
    /// The configuration is larger than the format allows.
    ConfigurationTooLarge,
    /// The kernel is not one that an image can be made of.
    Kernel(rumpkin_format::Error),
    /// The root file system is not EROFS.
    NotErofs,
    /// The configuration is not a JSON object.
    NotJson(Malformed),
    /// The kernel would refuse the configuration.
    Refused(ConfigurationError),
    /// The root file system's blocks are not pages.
    RootfsBlockSize,
    /// Kernel and payload together do not fit.
    TooLarge,
}

/// Which input an [`Error`] is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Input {
    /// The configuration file.
    Configuration,
    /// The kernel.
    Kernel,
    /// The root file system.
    Rootfs,
}

impl Error {
    /// The input to look at.
    #[must_use]
    pub fn input(&self) -> Input {
        match self {
            Error::AlreadyBaked | Error::Kernel(_) => Input::Kernel,
            Error::ConfigurationTooLarge | Error::NotJson(_) | Error::Refused(_) => Input::Configuration,
            Error::NotErofs | Error::RootfsBlockSize | Error::TooLarge => Input::Rootfs,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::AlreadyBaked => {
                f.write_str("already has a payload; bake the kernel itself, not an image made of it")
            }
            Error::ConfigurationTooLarge => {
                write!(
                    f,
                    "larger than {} bytes; put large data into the root file system",
                    rumpkin_format::CONFIGURATION_LIMIT
                )
            }
            Error::Kernel(error) => write!(f, "{error}; --kernel takes the ELF file that the image crate links to"),
            Error::NotErofs => f.write_str("not an EROFS file system; make one with mkfs.erofs"),
            Error::NotJson(error) => write!(f, "{error}; the configuration is one JSON object"),
            Error::Refused(error) => write!(f, "{error}"),
            Error::RootfsBlockSize => f.write_str("its blocks are not 4096 bytes; make it with mkfs.erofs -b 4096"),
            Error::TooLarge => {
                write!(f, "too large: kernel and payload must end below {} MiB", rumpkin_format::MEMORY_LIMIT >> 20)
            }
        }
    }
}

impl std::error::Error for Error {}
