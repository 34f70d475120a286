//! Path lookup (path_resolution(7)): from a place and a path to a place, or to the name that is missing there.

use crate::{inode::Link, location::Location, tree::Tree};
use alloc::{borrow::Cow, sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{try_concat, try_to_vec};
use rumpkin_spine::process::Process;

/// Most symbolic links on one way (`MAXSYMLINKS`).
const MAX_LINKS: u32 = 40;

/// Longest name (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// Where a path led.
pub struct Found {
    /// The directory that the last component lies in.
    pub directory: Location,
    /// The last component: a name, or `.`, `..` or `/`, which are no entries that could be made or removed.
    pub name: Vec<u8>,
    /// What is there; `None` if only the last component is missing.
    pub target: Option<Location>,
    /// The path ended in a slash: only a directory will do.
    pub trailing_slash: bool,
}

impl Found {
    /// What is there, or `ENOENT`.
    pub fn existing(self) -> Result<Location, Errno> {
        self.target.ok_or(Errno::ENOENT)
    }

    /// Whether the last component is a name, not `.`, `..` or `/`.
    pub fn is_entry(&self) -> bool {
        !matches!(&*self.name, b"." | b".." | b"/")
    }
}

/// What a walk is for, where a slash behind the path makes a difference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Something that is there: with a slash, a directory.
    Look,
    /// An entry to be made, moved or removed: not followed, and the slash is left to the caller.
    Entry,
    /// A file that is made if it is missing: with a slash, `EISDIR`.
    Create,
}

/// Looks up paths for a process.
pub struct Walk<'a> {
    tree: &'a Tree,
    process: &'a Process,
    /// `RESOLVE_*` (openat2(2)).
    resolve: u32,
    purpose: Purpose,
    /// Where the walk began, which `RESOLVE_BENEATH` and `RESOLVE_IN_ROOT` do not leave.
    start: Location,
    links: u32,
}

impl<'a> Walk<'a> {
    /// A walk from `start` under `RESOLVE_*` rules.
    pub fn new(tree: &'a Tree, process: &'a Process, start: Location, resolve: u32) -> Self {
        Walk { tree, process, resolve, purpose: Purpose::Look, start, links: 0 }
    }

    fn rule(&self, flag: u32) -> bool {
        self.resolve & flag != 0
    }

    /// Where an absolute path begins.
    fn top(&self) -> Result<Location, Errno> {
        if self.rule(general::RESOLVE_BENEATH) {
            return Err(Errno::EXDEV);
        }
        Ok(if self.rule(general::RESOLVE_IN_ROOT) { self.start.clone() } else { self.tree.root() })
    }

    fn crossed(&self, from: &Location, to: &Location) -> Result<(), Errno> {
        let crossed = !Arc::ptr_eq(&from.mount, &to.mount);
        if crossed && self.rule(general::RESOLVE_NO_XDEV) { Err(Errno::EXDEV) } else { Ok(()) }
    }

    fn up(&self, at: &Location) -> Result<Location, Errno> {
        if *at == self.start {
            if self.rule(general::RESOLVE_BENEATH) {
                return Err(Errno::EXDEV);
            }
            if self.rule(general::RESOLVE_IN_ROOT) {
                return Ok(at.clone());
            }
        }
        let parent = self.tree.parent(at)?;
        self.crossed(at, &parent)?;
        Ok(parent)
    }

    /// Walks to an entry that is to be made, moved or removed. A slash behind it is left to the caller.
    pub fn entry(&mut self, path: &[u8]) -> Result<Found, Errno> {
        self.purpose = Purpose::Entry;
        self.run(path, false)
    }

    /// As [`Walk::run`], to a file that is made if it is missing (`O_CREAT`).
    pub fn create(&mut self, path: &[u8], follow: bool) -> Result<Found, Errno> {
        self.purpose = Purpose::Create;
        self.run(path, follow)
    }

    /// Walks a path; a symbolic link in its last component is followed if `follow`.
    pub fn run(&mut self, path: &[u8], follow: bool) -> Result<Found, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut at = if path.first() == Some(&b'/') { self.top()? } else { self.start.clone() };
        let mut at_kind = at.inode.kind();
        // What is left to walk; owned once a link has been followed.
        let mut rest = Cow::Borrowed(path);
        let mut position = 0usize;
        loop {
            let tail = rest.get(position..).unwrap_or_default();
            let skipped = tail.iter().take_while(|&&byte| byte == b'/').count();
            let tail = tail.get(skipped..).unwrap_or_default();
            if at_kind != general::S_IFDIR {
                return Err(Errno::ENOTDIR);
            }
            if tail.is_empty() {
                let target = Some(at.clone());
                return Ok(Found { directory: at, name: try_to_vec(b"/")?, target, trailing_slash: true });
            }
            let length = tail.iter().position(|&byte| byte == b'/').unwrap_or(tail.len());
            let (name, after) = tail.split_at_checked(length).unwrap_or((tail, &[]));
            let trailing_slash = !after.is_empty();
            let is_last = after.iter().all(|&byte| byte == b'/');
            let is_entry = is_last && self.purpose == Purpose::Entry;
            if name.len() > MAX_NAME {
                return Err(Errno::ENAMETOOLONG);
            }
            if is_last && trailing_slash && self.purpose == Purpose::Create && !matches!(name, b"." | b"..") {
                return Err(Errno::EISDIR);
            }
            let child = match name {
                b"." => at.clone(),
                b".." => self.up(&at)?,
                _ => match at.inode.lookup(&self.process.kernel, name) {
                    Ok(inode) => self.tree.cover(Location { mount: at.mount.clone(), inode }),
                    Err(Errno::ENOENT) if is_last => {
                        return Ok(Found { directory: at, name: try_to_vec(name)?, target: None, trailing_slash });
                    }
                    Err(error) => return Err(error),
                },
            };
            self.crossed(&at, &child)?;
            let mut kind = child.inode.kind();
            let next = if kind == general::S_IFLNK && (follow || trailing_slash && !is_entry) {
                match self.follow(&child)? {
                    Link::Path(target) => {
                        if target.is_empty() {
                            return Err(Errno::ENOENT);
                        }
                        if target.first() == Some(&b'/') {
                            at = self.top()?;
                            at_kind = at.inode.kind();
                        }
                        rest = Cow::Owned(try_concat(&[&target, after])?);
                        position = 0;
                        continue;
                    }
                    Link::Place(place, _) => {
                        self.magic(&child, &place)?;
                        kind = place.inode.kind();
                        place
                    }
                }
            } else {
                child
            };
            if is_last {
                if trailing_slash && !is_entry && kind != general::S_IFDIR {
                    return Err(Errno::ENOTDIR);
                }
                return Ok(Found { directory: at, name: try_to_vec(name)?, target: Some(next), trailing_slash });
            }
            (at, at_kind) = (next, kind);
            position = position.saturating_add(skipped).saturating_add(length);
        }
    }

    /// Where a link leads, if the rules allow it.
    fn follow(&mut self, link: &Location) -> Result<Link, Errno> {
        self.links = self.links.saturating_add(1);
        if self.links > MAX_LINKS || self.rule(general::RESOLVE_NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        if self.rule(general::RESOLVE_NO_MAGICLINKS) && link.inode.is_magic() {
            return Err(Errno::ELOOP);
        }
        link.inode.follow(self.process)
    }

    /// Whether the rules allow a link that has led to a place without a path.
    fn magic(&self, from: &Location, to: &Location) -> Result<(), Errno> {
        if self.rule(general::RESOLVE_BENEATH | general::RESOLVE_IN_ROOT) {
            return Err(Errno::EXDEV);
        }
        self.crossed(from, to)
    }
}
