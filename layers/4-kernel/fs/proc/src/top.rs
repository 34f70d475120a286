//! The top directory of `/proc`: generated files, and a directory for each process.

use crate::process_node::{Owner, ProcessNode, What, add_directory_of, decimal, number};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{OutOfMemory, try_arc};
use rumpkin_spine::{Kernel, file::File};
use rumpkin_vfs::{
    generated::{Generated, GeneratedNode, Listing},
    inode::Inode,
};

/// The directory.
pub struct ProcessDirectories {
    generated: Arc<Generated>,
    top: Arc<GeneratedNode>,
    device: u64,
}

impl ProcessDirectories {
    /// On this device; the generated files are those under `/proc`.
    pub fn new(generated: &Arc<Generated>, device: u64) -> Result<Arc<Self>, OutOfMemory> {
        let generated = generated.child(b"proc").unwrap_or(generated).clone();
        let top = GeneratedNode::new(generated.clone(), device)?;
        try_arc(ProcessDirectories { generated, top, device })
    }
}

impl File for ProcessDirectories {
    fn stat(&self) -> Result<Stat, Errno> {
        self.top.stat()
    }
}

impl Inode for ProcessDirectories {
    fn kind(&self) -> u32 {
        general::S_IFDIR
    }

    fn number(&self) -> u64 {
        self.generated.number
    }

    fn lookup(&self, kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let node = |owner, what| -> Result<Arc<dyn Inode>, Errno> {
            Ok(try_arc(ProcessNode::new(owner, what, self.top.clone(), self.device))?)
        };
        match name {
            b"self" => return node(Owner::Caller, What::SelfLink),
            b"thread-self" => return node(Owner::Caller, What::ThreadSelfLink),
            _ => {}
        }
        match number(name) {
            Some(id) => {
                kernel.process(id).ok_or(Errno::ENOENT)?;
                node(Owner::Process(id), What::Directory)
            }
            None => self.top.lookup(kernel, name),
        }
    }

    fn name_of(&self, number: u64) -> Result<Vec<u8>, Errno> {
        // Numbers of generated files lie far above those of processes.
        if number >= self.generated.number { self.top.name_of(number) } else { decimal(number >> 24) }
    }

    fn open(self: Arc<Self>, kernel: &Kernel, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        let mut listing = Listing::new(self.number(), self.number())?;
        for (name, child) in self.generated.children() {
            listing.add(name, child.number, child.attributes(0).mode)?;
        }
        listing.add(b"self", What::SelfLink.number(0), general::S_IFLNK)?;
        listing.add(b"thread-self", What::ThreadSelfLink.number(0), general::S_IFLNK)?;
        kernel.with_processes(|processes| {
            processes.iter().map(|process| process.id).try_for_each(|id| add_directory_of(&mut listing, id))
        })?;
        Ok(try_arc(listing)?)
    }
}
