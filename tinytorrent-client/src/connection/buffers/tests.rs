use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use tinytorrent_swarm::ConnectionError;
use tokio::time::Instant;

use super::pool::Buffer;
use super::receive::{FRAME_ROOM, QUIET_TIME, SMALL};
use super::*;
use crate::memory::Memory;

/// Memory with a receive share of 1 MiB, and 256 KiB for long frames.
fn pool() -> BufferPool {
    BufferPool::new(Memory::new(2 << 20))
}

fn fill(buffer: &mut ReceiveBuffer) {
    let room = buffer.bytes.capacity() - buffer.bytes.len();
    buffer.bytes.extend(std::iter::repeat_n(0, room));
    buffer.note_read();
}

/// Makes all of the pool's memory unavailable.
fn spend(pool: &BufferPool) -> Vec<Buffer> {
    std::iter::from_fn(|| pool.take()).collect()
}

/// The start of a message of this length.
fn start(length: u32) -> [u8; 8] {
    let mut start = [9; 8];
    start[..4].copy_from_slice(&(length - 4).to_be_bytes());
    start
}

#[test]
fn a_quiet_connection_holds_little() {
    let mut buffer = ReceiveBuffer::new(pool());
    for _ in 0..100 {
        assert!(buffer.try_make_room().is_ok());
        buffer.bytes.extend_from_slice(&[0; 100]);
        buffer.note_read();
        let frames = buffer.bytes.split_to(100).freeze();
        drop(frames);
    }
    assert!(buffer.bytes.capacity() <= 2 * SMALL);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_falls_silent_gives_its_buffer_back() {
    let pool = pool();
    let mut buffer = ReceiveBuffer::new(pool.clone());
    fill(&mut buffer);
    buffer.bytes.clear();
    buffer.make_room().await.unwrap();
    assert!(buffer.bytes.capacity() >= LARGE);
    buffer.bytes.extend_from_slice(&start(16_397));
    assert_eq!(buffer.deadline(), Some(Instant::now() + QUIET_TIME));
    buffer.handle_timeout().unwrap();
    assert_eq!((buffer.bytes.capacity(), &buffer.bytes[..]), (FRAME_ROOM, &start(16_397)[..]));
    assert_eq!(buffer.deadline(), None);
    assert_eq!(pool.users.load(Ordering::Relaxed), 0);
}

#[test]
fn a_buffer_without_slices_is_used_again() {
    let pool = pool();
    let mut buffer = ReceiveBuffer::new(pool.clone());
    for _ in 0..20 {
        assert!(buffer.try_make_room().is_ok());
        fill(&mut buffer);
        drop(buffer.bytes.split().freeze());
    }
    assert!(pool.lock().buffers.len() <= 2, "{:?}", pool.lock());
}

#[test]
fn a_buffer_in_use_is_left_alone_and_the_memory_holds() {
    let pool = pool();
    let mut buffer = ReceiveBuffer::new(pool.clone());
    let mut held = VecDeque::new();
    // The first buffer is small, and does not belong to the pool.
    fill(&mut buffer);
    drop(buffer.bytes.split());
    for turn in 0..100_u8 {
        if buffer.try_make_room().is_err() {
            // All four buffers of the share are filled.
            assert_eq!((pool.memory.receive.held(), held.len()), (1 << 20, 4));
            held.pop_front();
            assert!(buffer.try_make_room().is_ok(), "a buffer is free");
        }
        let room = buffer.bytes.capacity() - buffer.bytes.len();
        buffer.bytes.extend(std::iter::repeat_n(turn, room));
        buffer.note_read();
        held.push_back((turn, buffer.bytes.split().freeze()));
        assert!(held.len() <= 4);
        for (turn, bytes) in &held {
            assert!(bytes.iter().all(|byte| byte == turn), "overwritten");
        }
    }
}

#[test]
fn many_connections_have_smaller_buffers() {
    let pool = BufferPool::new(Memory::new(8 << 20));
    let mut buffers: Vec<_> = (0..20).map(|_| ReceiveBuffer::new(pool.clone())).collect();
    for buffer in &mut buffers {
        fill(buffer);
        assert!(buffer.try_make_room().is_ok());
    }
    assert!(buffers[0].bytes.capacity() >= LARGE);
    assert!(buffers[19].bytes.capacity() < LARGE);
    drop(buffers);
    assert_eq!(pool.users.load(Ordering::Relaxed), 0);
}

#[test]
fn the_start_of_a_frame_moves_along() {
    let mut buffer = ReceiveBuffer::new(pool());
    buffer.bytes.extend_from_slice(&start(100));
    buffer.is_filled = true;
    assert!(buffer.try_make_room().is_ok());
    assert_eq!(&buffer.bytes[..], &start(100));
    fill(&mut buffer);
    let rest = buffer.bytes.len() - 3;
    let _frames = buffer.bytes.split_to(rest);
    assert!(buffer.try_make_room().is_ok());
    assert_eq!(&buffer.bytes[..], &[0; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_block_can_be_received_although_all_memory_is_spent() {
    let pool = pool();
    let mut buffer = ReceiveBuffer::new(pool.clone());
    fill(&mut buffer);
    drop(buffer.bytes.split());
    buffer.make_room().await.unwrap();
    let _spent = spend(&pool);
    fill(&mut buffer);
    let slices = buffer.bytes.split();
    for _ in 0..3 {
        buffer.make_room().await.unwrap();
        buffer.bytes.extend_from_slice(&start(16_397));
        while buffer.bytes.len() < 16_397 {
            buffer.make_room().await.unwrap();
            assert!(buffer.bytes.capacity() > buffer.bytes.len());
            fill(&mut buffer);
        }
        assert!(buffer.bytes.capacity() <= 2 * FRAME_ROOM);
        buffer.bytes.clear();
    }
    drop(slices);
}

#[tokio::test(start_paused = true)]
async fn long_frames_take_no_more_than_their_share_and_may_not_take_for_ever() {
    let pool = pool();
    let _spent = spend(&pool);
    let mut greedy: Vec<_> = (0..20).map(|_| ReceiveBuffer::new(pool.clone())).collect();
    let mut lasting = 0;
    for buffer in &mut greedy {
        buffer.bytes.extend_from_slice(&start(1 << 20));
        while buffer.make_room().await.is_ok() && buffer.bytes.len() < 60_000 {
            fill(buffer);
        }
        lasting += usize::from(buffer.bytes.len() >= 60_000);
    }
    assert!(pool.memory.frames.held() <= 256 << 10);
    assert!((1..4).contains(&lasting), "{lasting}");
    let deadline = greedy[0].deadline().expect("a long frame has a deadline");
    tokio::time::sleep_until(deadline).await;
    assert_eq!(greedy[0].handle_timeout(), Err(ConnectionError::TimedOut));
    drop(greedy);
    assert_eq!(pool.memory.frames.held(), 0);
}
