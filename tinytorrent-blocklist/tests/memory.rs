//! The memory of a large list.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, Read};

use tinytorrent_blocklist::read;

/// The allocator of the system, which counts the bytes that each thread has, and the most that it had.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static BYTES: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn add(bytes: i64) {
    BYTES.set(BYTES.get() + bytes);
    MOST.set(MOST.get().max(BYTES.get()));
}

// SAFETY: All is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as i64);
        // SAFETY: The caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as i64));
        // SAFETY: The caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there for a moment.
        add(size as i64);
        add(-(layout.size() as i64));
        // SAFETY: The caller keeps the same promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

const MIB: i64 = 1 << 20;

/// So many lines of `ipfilter.dat`, made as they are read.
struct Lines {
    numbers: std::ops::Range<u32>,
    /// A range begins at this number times its own, in a space of 2^32.
    step: u32,
    line: Vec<u8>,
    read: usize,
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use io::Write;
        if self.read == self.line.len() {
            let Some(number) = self.numbers.next() else { return Ok(0) };
            let [a, b, c, d] = number.wrapping_mul(self.step).to_be_bytes();
            (self.read, self.line) = (0, std::mem::take(&mut self.line));
            self.line.clear();
            let end = d | 7;
            writeln!(
                self.line,
                "{a:03}.{b:03}.{c:03}.{d:03} - {a}.{b}.{c}.{end} , 000 , some name"
            )?;
        }
        let length = (&self.line[self.read..]).read(buffer)?;
        self.read += length;
        Ok(length)
    }
}

/// The ranges, and the most memory that was in use, beyond that of before.
fn read_lines(count: u32, step: u32) -> (usize, i64, i64) {
    let before = BYTES.get();
    MOST.set(before);
    let list = read(Lines { numbers: 0..count, step, line: Vec::new(), read: 0 }).unwrap();
    assert_eq!(list.report.ranges, u64::from(count));
    (list.ranges.len(), BYTES.get() - before, MOST.get() - before)
}

/// A million take four times as much at most, and the test four times as long.
#[test]
fn a_quarter_of_a_million_ranges_take_5_mib_while_they_are_read_and_less_than_3_then() {
    // An odd number of sixteens: they come in no order, and none touches another.
    let (ranges, kept, most) = read_lines(250_000, 16 * 7_919);
    assert_eq!(ranges, 250_000);
    assert!(kept < 3 * MIB && most < 5 * MIB, "{kept} and {most} bytes");
}

#[test]
fn what_overlaps_takes_no_memory() {
    let (ranges, kept, most) = read_lines(250_000, 1 << 28);
    assert_eq!(ranges, 16);
    assert!(kept < MIB && most < 2 * MIB, "{kept} and {most} bytes");
}
