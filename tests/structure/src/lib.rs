//! Which source file uses which, as their paths say: `use`, and paths in code and in macros' arguments.
//!
//! Read with `syn`, before macros are expanded. A path counts for the file of the module that it looks its item up in, be that the
//! item's own or one that passes it on (`pub use`); modules on the way there do not count, nor does `mod`. Tests are left out:
//! whatever is `#[cfg(test)]`. What no path tells is not seen: methods, trait implementations, symbols of assembly.

mod circles;
mod crates;
mod mentions;

pub use circles::{Use, circles};
pub use crates::{Crate, folder, read_folder};
pub use mentions::{Mention, mentions};
