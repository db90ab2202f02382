//! The memory that a target takes for its input: a law that every reader of bytes from outside has to keep.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Runs `read`, which is given an input of so many bytes, and fails if it had more memory at a time than
/// `per_byte` for each of them and `fixed`.
///
/// Allocations of other threads do not count, nor what there was before. What was allocated before and is freed
/// meanwhile counts as nothing.
///
/// # Panics
/// If it took more.
pub fn within<T>(length: usize, per_byte: usize, fixed: usize, read: impl FnOnce() -> T) -> T {
    let outer = METER.replace(Meter::default());
    let result = read();
    let meter = METER.replace(outer);
    let limit = per_byte * length + fixed;
    assert!(
        meter.peak <= limit,
        "{} bytes of memory for {length}; the limit is {limit}",
        meter.peak
    );
    result
}

/// Bytes that this thread has allocated since the last call of [`within`], and the most of them at a time.
#[derive(Clone, Copy, Default)]
struct Meter {
    live: usize,
    peak: usize,
}

thread_local! {
    static METER: Cell<Meter> = const { Cell::new(Meter { live: 0, peak: 0 }) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

impl Counting {
    fn add(bytes: usize) {
        // A thread that ends has no meter any more.
        let _ = METER.try_with(|meter| {
            let Meter { live, peak } = meter.get();
            let live = live + bytes;
            meter.set(Meter { live, peak: peak.max(live) });
        });
    }

    fn remove(bytes: usize) {
        let _ = METER.try_with(|meter| {
            let Meter { live, peak } = meter.get();
            meter.set(Meter { live: live.saturating_sub(bytes), peak });
        });
    }
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: the caller keeps the rules of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::remove(layout.size());
        // SAFETY: the caller keeps the rules of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while it is copied.
        Self::add(size);
        Self::remove(layout.size());
        // SAFETY: the caller keeps the rules of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
