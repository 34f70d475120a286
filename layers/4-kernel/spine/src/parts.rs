//! State that components attach to the kernel, to a process or to a thread, found by its type.

use alloc::{sync::Arc, vec::Vec};
use core::any::{Any, TypeId};
use rumpkin_collections::{OutOfMemory, TryVec, try_arc};

/// A handful of values, one per type. Filled while its owner is built, read-only after that.
#[derive(Default)]
pub struct Parts(Vec<(TypeId, Arc<dyn Any + Send + Sync>)>);

impl Parts {
    #[expect(clippy::disallowed_methods, reason = "once for each component, at boot")]
    fn put(&mut self, id: TypeId, part: Arc<dyn Any + Send + Sync>) {
        self.0.retain(|(other, _)| *other != id);
        self.0.push((id, part));
    }

    /// Adds a part, in place of one of the same type. For parts of the kernel.
    pub fn insert<T: Send + Sync + 'static>(&mut self, part: Arc<T>) {
        self.put(TypeId::of::<T>(), part);
    }

    /// Adds a part of a type that there is none of. For parts of a process or thread.
    pub fn try_insert<T: Send + Sync + 'static>(&mut self, part: T) -> Result<(), OutOfMemory> {
        self.0.try_push((TypeId::of::<T>(), try_arc(part)?))
    }

    /// The part of this type, if its component is registered.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let id = TypeId::of::<T>();
        self.0.iter().find(|(other, _)| *other == id).and_then(|(_, part)| part.downcast_ref())
    }

    /// The same, to be changed: as long as its owner is being built and has given out no other owner of the part.
    pub fn get_mut<T: Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        let id = TypeId::of::<T>();
        let (_, part) = self.0.iter_mut().find(|(other, _)| *other == id)?;
        Arc::get_mut(part)?.downcast_mut()
    }

    /// A new owner of the part of this type.
    pub fn share<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let id = TypeId::of::<T>();
        let (_, part) = self.0.iter().find(|(other, _)| *other == id)?;
        part.clone().downcast().ok()
    }
}
