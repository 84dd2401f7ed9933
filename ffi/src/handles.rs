//! Handles: numbers in the guise of pointers, each looked up in one table before anything is touched.
//!
//! A handle holds a kind (8 bits), a generation (24 bits) and an index (32 bits). It is never followed, so a
//! handle that was freed, is of another type or was never one gives an error and no crash. The generation
//! of a slot grows when its object is freed; a slot whose generations are used up is never used again, so
//! no two handles of a process are equal. Objects are shared: one that is freed while another thread uses
//! it lives until that call returns.

use std::any::Any;
use std::ptr;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use scorecam_core::Error;

use crate::export::{Failure, Result};

/// An opaque C type and what stands behind it.
pub(crate) trait Handle {
    /// What a handle of this type leads to.
    type Object: Any + Send + Sync;
    /// The C type's number in the handle, 1 to 255, and its name.
    const KIND: u8;
    const NAME: &'static str;
}

/// A new handle of an object.
pub(crate) fn insert<H: Handle>(object: H::Object) -> Result<*mut H> {
    let mut table = write();
    let index = match table.free.pop() {
        Some(index) => index,
        None => {
            let index = u32::try_from(table.slots.len())
                .map_err(|_| Error::internal("2^32 handles were made; no more are left"))?;
            table.slots.push(Slot { generation: 1, object: None });
            index
        }
    };
    let slot = &mut table.slots[index as usize];
    slot.object = Some(Arc::new(object));
    let number = Number { kind: H::KIND, generation: slot.generation, index };
    Ok(ptr::without_provenance_mut(number.encode()))
}

/// The object of a handle.
pub(crate) fn get<H: Handle>(handle: *const H) -> Result<Arc<H::Object>> {
    let number = Number::decode::<H>(handle)?;
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    let slot = table.slots.get(number.index as usize).filter(|s| s.generation == number.generation);
    let object = slot.and_then(|s| s.object.clone()).ok_or_else(stale::<H>)?;
    object.downcast().map_err(|_| stale::<H>())
}

/// Frees a handle; NULL is none.
pub(crate) fn remove<H: Handle>(handle: *mut H) -> Result<()> {
    if handle.is_null() {
        return Ok(());
    }
    let number = Number::decode::<H>(handle)?;
    let mut table = write();
    let slot = table.slots.get_mut(number.index as usize).filter(|s| s.generation == number.generation);
    let slot = slot.ok_or_else(stale::<H>)?;
    let object = slot.object.take_if(|o| o.is::<H::Object>()).ok_or_else(stale::<H>)?;
    slot.generation += 1;
    if slot.generation <= LAST_GENERATION {
        table.free.push(number.index);
    }
    // The object may run a plugin's code as it goes, which must not find the table locked.
    drop(table);
    drop(object);
    Ok(())
}

const LAST_GENERATION: u32 = (1 << 24) - 1;

static TABLE: RwLock<Table> = RwLock::new(Table { slots: Vec::new(), free: Vec::new() });

struct Table {
    slots: Vec<Slot>,
    /// Indices of slots without an object.
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    object: Option<Arc<dyn Any + Send + Sync>>,
}

// A panic while the lock is held leaves the table whole: each change is a single assignment.
fn write() -> RwLockWriteGuard<'static, Table> {
    TABLE.write().unwrap_or_else(PoisonError::into_inner)
}

struct Number {
    kind: u8,
    generation: u32,
    index: u32,
}

impl Number {
    fn encode(&self) -> usize {
        (self.kind as usize) << 56 | (self.generation as usize) << 32 | self.index as usize
    }

    fn decode<H: Handle>(handle: *const H) -> Result<Self> {
        if handle.is_null() {
            return Err(Failure::handle(format!("the {} handle is NULL", H::NAME)));
        }
        let bits = handle.addr();
        let kind = (bits >> 56) as u8;
        if kind != H::KIND {
            return Err(Failure::handle(format!("the handle is not of type {}", H::NAME)));
        }
        Ok(Self { kind, generation: (bits >> 32) as u32 & LAST_GENERATION, index: bits as u32 })
    }
}

fn stale<H: Handle>() -> Failure {
    Failure::handle(format!("the {} handle was freed already or never was one", H::NAME))
}

#[cfg(test)]
mod tests {
    use scorecam_host::abi::SCORECAM_ERR_INVALID_HANDLE;

    use super::*;

    struct A;
    struct B;

    impl Handle for A {
        type Object = String;
        const KIND: u8 = 250;
        const NAME: &'static str = "a";
    }

    impl Handle for B {
        type Object = u64;
        const KIND: u8 = 251;
        const NAME: &'static str = "b";
    }

    #[track_caller]
    fn refused<T>(result: Result<T>) {
        let Err(failure) = result else { panic!("the handle was taken") };
        assert_eq!(failure.status, SCORECAM_ERR_INVALID_HANDLE);
        assert!(!failure.message.is_empty());
    }

    #[test]
    fn a_handle_leads_to_its_object_until_it_is_freed() {
        let handle = insert::<A>("text".into()).unwrap();
        let held = get(handle).unwrap();
        remove(handle).unwrap();
        assert_eq!(*held, "text");
        refused(get(handle));
        refused(remove(handle));
        remove::<A>(ptr::null_mut()).unwrap();
    }

    #[test]
    fn a_slot_that_is_used_again_has_another_handle() {
        let old = insert::<A>("old".into()).unwrap();
        remove(old).unwrap();
        let new: Vec<_> = (0..64).map(|i| insert::<A>(i.to_string()).unwrap()).collect();
        assert!(!new.contains(&old));
        refused(get(old));
        for handle in new {
            remove(handle).unwrap();
        }
    }

    #[test]
    fn handles_of_another_type_and_random_numbers_are_refused() {
        let handle = insert::<A>("text".into()).unwrap();
        refused(get(handle.cast::<B>()));
        refused(remove(handle.cast::<B>()));
        // The kind of B on the number of an A: only the object itself tells.
        let forged = handle.addr() & !(0xff << 56) | (B::KIND as usize) << 56;
        refused(get(ptr::without_provenance::<B>(forged)));
        refused(remove(ptr::without_provenance_mut::<B>(forged)));
        let local = 0u64;
        for bits in [0, 1, 0xdead_beef, usize::MAX, (&raw const local).addr(), handle.addr() ^ (1 << 32)] {
            refused(get(ptr::without_provenance::<A>(bits)));
        }
        let mut bits = 1usize;
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if bits != handle.addr() {
                refused(get(ptr::without_provenance::<A>(bits)));
            }
        }
        assert_eq!(*get(handle).unwrap(), "text");
        remove(handle).unwrap();
    }
}
