//! The counts of an engine at work: memory that it holds, and steps that it takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator of the system, which counts what is asked of it while the engine of this thread works.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static IS_AT_WORK: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Forgets the engine before.
pub(crate) fn reset() {
    HELD.set(0);
    PEAK.set(0);
}

/// The engine is about to work, or has worked.
pub(crate) fn set_at_work(is_at_work: bool) {
    IS_AT_WORK.set(is_at_work);
}

/// Bytes that the engine holds. They are exact, as it frees only what it has allocated.
pub(crate) fn held() -> i64 {
    HELD.get()
}

/// Most bytes that the engine has held.
pub(crate) fn peak() -> i64 {
    PEAK.get()
}

/// Bytes allocated by all engines of this thread.
pub(crate) fn allocated() -> u64 {
    ALLOCATED.get()
}

/// Edges of the control flow that this thread has passed, in a build that counts them; 0 in others.
pub(crate) fn steps() -> u64 {
    STEPS.get()
}

/// The sanitizer of LLVM has this called at each edge (`.ci/run hostile`).
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc() {
    STEPS.set(STEPS.get() + 1);
}

fn add(bytes: usize) {
    if IS_AT_WORK.get() {
        HELD.set(HELD.get() + bytes as i64);
        PEAK.set(PEAK.get().max(HELD.get()));
        ALLOCATED.set(ALLOCATED.get() + bytes as u64);
    }
}

fn subtract(bytes: usize) {
    if IS_AT_WORK.get() {
        HELD.set(HELD.get() - bytes as i64);
    }
}

// SAFETY: All is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: The caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: The caller keeps the same promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        // SAFETY: The caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both at a time, as they are when the bytes are copied.
        add(size);
        subtract(layout.size());
        // SAFETY: The caller keeps the same promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
