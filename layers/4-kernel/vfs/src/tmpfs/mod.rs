//! tmpfs: files and directories in memory, lost at power-off.
//!
//! Lock order: the file system's `changes`, then directories (only a holder of `changes` locks two), then attributes.
//! The pages of a file are never locked while user memory is touched, because the pager takes that lock.

mod content;
mod directory;
mod node;

pub use content::Limit;
pub use node::{Tmpfs, TmpfsNode};
