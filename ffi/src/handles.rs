//! Handles: numbers in the guise of pointers, each looked up in one table before anything is touched.
//!
//! A handle holds a kind (8 bits), a generation (24 bits) and an index (32 bits). It is never followed, so a
//! handle that was freed, is of another type or was never one gives an error and no crash. The generation
//! of a slot grows when its object is freed; a slot whose generations are used up is never used again, so
//! no two handles of a process are equal. Objects are shared: one that is freed while another thread uses
//! it lives until that call returns.

use std::any::Any;
use std::ptr;
use std::sync::{Arc, RwLock};

use scorecam::Lock;
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
    HANDLES.insert(object)
}

/// The object of a handle.
pub(crate) fn get<H: Handle>(handle: *const H) -> Result<Arc<H::Object>> {
    HANDLES.get(handle)
}

/// Frees a handle; NULL is none.
pub(crate) fn remove<H: Handle>(handle: *mut H) -> Result<()> {
    HANDLES.remove(handle)
}

static HANDLES: Handles<RwLock<Table>> =
    Handles { table: RwLock::new(Table { slots: Vec::new(), free: Vec::new() }) };

/// A table of handles behind a lock.
#[derive(Default)]
struct Handles<L> {
    table: L,
}

// An object may run a plugin's code as it goes, which must not find the table locked: so in every function
// the last reference to one dies outside of it.
impl<L: Lock<Table>> Handles<L> {
    fn insert<H: Handle>(&self, object: H::Object) -> Result<*mut H> {
        let object: Object = Arc::new(object);
        let (index, generation) = self.table.change(|table| table.insert(&object))?;
        let number = Number { kind: H::KIND, generation, index };
        Ok(ptr::without_provenance_mut(number.encode()))
    }

    fn get<H: Handle>(&self, handle: *const H) -> Result<Arc<H::Object>> {
        let number = Number::decode::<H>(handle)?;
        let object = self.table.look(|table| table.get(&number)).ok_or_else(stale::<H>)?;
        object.downcast().map_err(|_| stale::<H>())
    }

    fn remove<H: Handle>(&self, handle: *mut H) -> Result<()> {
        if handle.is_null() {
            return Ok(());
        }
        let number = Number::decode::<H>(handle)?;
        let object = self.table.change(|table| table.remove(&number, |o| o.is::<H::Object>()));
        object.map(drop).ok_or_else(stale::<H>)
    }
}

type Object = Arc<dyn Any + Send + Sync>;

const LAST_GENERATION: u32 = (1 << 24) - 1;

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    /// Indices of slots without an object.
    free: Vec<u32>,
}

struct Slot {
    generation: u32,
    object: Option<Object>,
}

impl Table {
    /// Index and generation of the slot that has taken the object.
    fn insert(&mut self, object: &Object) -> Result<(u32, u32)> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len())
                    .map_err(|_| Error::internal("2^32 handles were made; no more are left"))?;
                self.slots.push(Slot { generation: 1, object: None });
                index
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.object = Some(Arc::clone(object));
        Ok((index, slot.generation))
    }

    fn get(&self, number: &Number) -> Option<Object> {
        let slot = self.slots.get(number.index as usize).filter(|s| s.generation == number.generation);
        slot?.object.clone()
    }

    fn remove(&mut self, number: &Number, is_of_type: impl FnOnce(&Object) -> bool) -> Option<Object> {
        let slot = self.slots.get_mut(number.index as usize).filter(|s| s.generation == number.generation)?;
        let object = slot.object.take_if(|o| is_of_type(o))?;
        slot.generation += 1;
        if slot.generation <= LAST_GENERATION {
            self.free.push(number.index);
        }
        Some(object)
    }
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
    Failure::handle(format!("the {} handle was freed or never created", H::NAME))
}

#[cfg(test)]
mod tests {
    use scorecam::abi::SCORECAM_ERR_INVALID_HANDLE;

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

    #[test]
    fn the_table_grows_to_what_is_alive_at_once_and_no_further() {
        let handles = Handles::<RwLock<Table>>::default();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let alive: Vec<_> = (0..7).map(|i| handles.insert::<B>(i).unwrap()).collect();
            for handle in alive {
                assert!(seen.insert(handle), "a handle was given twice");
                handles.remove(handle).unwrap();
            }
        }
        handles.table.look(|t| assert_eq!((t.slots.len(), t.free.len()), (7, 7)));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_not_used_again() {
        let handles = Handles::<RwLock<Table>>::default();
        handles.remove(handles.insert::<B>(1).unwrap()).unwrap();
        handles.table.change(|t| t.slots[0].generation = LAST_GENERATION);
        let last = handles.insert::<B>(2).unwrap();
        assert_eq!(*handles.get(last).unwrap(), 2);
        handles.remove(last).unwrap();
        refused(handles.get(last));
        let next = handles.insert::<B>(3).unwrap();
        handles.table.look(|t| assert_eq!((t.slots.len(), t.free.len()), (2, 0)));
        refused(handles.get(last));
        handles.remove(next).unwrap();
    }
}

/// Every order in which threads can meet in the table, tried by loom.
#[cfg(test)]
mod interleavings {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use loom::thread;
    use scorecam::abi::SCORECAM_ERR_INVALID_HANDLE;

    use super::*;

    #[derive(Default)]
    struct LoomLock<T>(loom::sync::RwLock<T>);

    impl<T> Lock<T> for LoomLock<T> {
        fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
            look(&self.0.read().expect("a model that panics has failed"))
        }

        fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
            change(&mut self.0.write().expect("a model that panics has failed"))
        }
    }

    type Modelled = Handles<LoomLock<Table>>;

    /// A number that tells when it goes.
    struct Counted {
        value: u32,
        gone: Arc<AtomicUsize>,
        /// A table that it uses as it goes, as a plugin's model may.
        table: Option<Arc<Modelled>>,
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.gone.fetch_add(1, Ordering::SeqCst);
            if let Some(table) = &self.table {
                table.insert::<N>(Counted { value: 0, gone: Arc::default(), table: None }).unwrap();
            }
        }
    }

    struct N;

    impl Handle for N {
        type Object = Counted;
        const KIND: u8 = 252;
        const NAME: &'static str = "n";
    }

    /// A handle, to be taken into a thread.
    #[derive(Clone, Copy)]
    struct Taken(usize);

    impl Taken {
        fn get(self, table: &Modelled) -> Result<Arc<Counted>> {
            table.get(ptr::without_provenance::<N>(self.0))
        }

        fn remove(self, table: &Modelled) -> Result<()> {
            table.remove(ptr::without_provenance_mut::<N>(self.0))
        }
    }

    fn insert(table: &Modelled, value: u32, gone: &Arc<AtomicUsize>) -> Taken {
        Taken(table.insert::<N>(Counted { value, gone: gone.clone(), table: None }).unwrap().addr())
    }

    /// Whether it went well; a failure is that of a handle.
    #[track_caller]
    fn worked<T>(result: &Result<T>) -> bool {
        if let Err(failure) = result {
            assert_eq!(failure.status, SCORECAM_ERR_INVALID_HANDLE);
        }
        result.is_ok()
    }

    #[test]
    fn of_two_threads_that_free_a_handle_one_does() {
        loom::model(|| {
            let (table, gone) = (Arc::new(Modelled::default()), Arc::default());
            let handle = insert(&table, 1, &gone);
            let other = table.clone();
            let thread = thread::spawn(move || worked(&handle.remove(&other)));
            let here = worked(&handle.remove(&table));
            assert!(thread.join().unwrap() != here);
            assert_eq!(gone.load(Ordering::SeqCst), 1);
            // Its slot is free once, not twice.
            let (one, two) = (insert(&table, 2, &gone), insert(&table, 3, &gone));
            assert_eq!((one.get(&table).unwrap().value, two.get(&table).unwrap().value), (2, 3));
        });
    }

    #[test]
    fn an_object_in_use_lives_until_its_last_user_is_done() {
        loom::model(|| {
            let (table, gone) = (Arc::new(Modelled::default()), Arc::<AtomicUsize>::default());
            let handle = insert(&table, 1, &gone);
            let users: Vec<_> = (0..2)
                .map(|_| {
                    let (table, gone) = (table.clone(), gone.clone());
                    thread::spawn(move || {
                        let found = handle.get(&table);
                        thread::yield_now();
                        let alive = gone.load(Ordering::SeqCst) == 0;
                        assert!(!worked(&found) || alive);
                    })
                })
                .collect();
            handle.remove(&table).unwrap();
            assert!(!worked(&handle.get(&table)));
            users.into_iter().for_each(|user| user.join().unwrap());
            assert_eq!(gone.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn an_old_handle_never_leads_to_what_has_its_slot_now() {
        loom::model(|| {
            let (table, gone) = (Arc::new(Modelled::default()), Arc::default());
            let old = insert(&table, 1, &gone);
            let other = table.clone();
            let thread = thread::spawn(move || {
                let found = old.get(&other);
                assert!(!worked(&found) || found.unwrap().value == 1);
                worked(&old.remove(&other))
            });
            let here = worked(&old.remove(&table));
            let new = insert(&table, 2, &gone);
            assert_eq!(new.get(&table).unwrap().value, 2);
            assert!(thread.join().unwrap() != here);
            assert_eq!(new.get(&table).unwrap().value, 2);
        });
    }

    #[test]
    fn handles_made_at_once_differ() {
        loom::model(|| {
            let (table, gone) = (Arc::new(Modelled::default()), Arc::default());
            insert(&table, 0, &gone).remove(&table).unwrap();
            let (other, theirs) = (table.clone(), gone.clone());
            let thread = thread::spawn(move || insert(&other, 1, &theirs));
            let two = insert(&table, 2, &gone);
            let one = thread.join().unwrap();
            assert_ne!(one.0, two.0);
            assert_eq!((one.get(&table).unwrap().value, two.get(&table).unwrap().value), (1, 2));
        });
    }

    /// loom reports a thread that waits for itself.
    #[test]
    fn an_object_finds_the_table_open_as_it_goes() {
        loom::model(|| {
            let (table, gone) = (Arc::new(Modelled::default()), Arc::<AtomicUsize>::default());
            let object = Counted { value: 1, gone: gone.clone(), table: Some(table.clone()) };
            let handle = Taken(table.insert::<N>(object).unwrap().addr());
            let other = table.clone();
            let thread = thread::spawn(move || drop(handle.get(&other)));
            handle.remove(&table).unwrap();
            thread.join().unwrap();
            assert_eq!(gone.load(Ordering::SeqCst), 1);
        });
    }
}
