//! EROFS, read in place: the read-only root file system from the boot payload (Linux's Documentation/filesystems/erofs).
//!
//! ```text
//!   0      1024           meta_blkaddr
//!   ├──────┼─superblock─┬─┼───────────────────────────┬────────────────┐
//!   │      │ 128 bytes  │ │ inodes of 32·n bytes (nid)│ blocks of data │
//!   └──────┴────────────┴─┴───────────────────────────┴────────────────┘
//! ```
//!
//! Every byte is untrusted: an image that lies gives `EIO`, never a panic or an endless loop. Uncompressed
//! layouts only (`FLAT_PLAIN` and `FLAT_INLINE`): their blocks are mapped into programs as they lie.

mod directory;
mod format;
mod node;

pub use format::Erofs;
pub use node::ErofsNode;

#[cfg(test)]
mod tests;
