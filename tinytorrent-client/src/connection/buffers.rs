//! The memory that messages are received in: a small buffer for each connection, and a pool of large ones.

mod pool;
mod receive;
#[cfg(test)]
mod tests;

pub(crate) use pool::{BufferPool, LARGE};
pub(crate) use receive::ReceiveBuffer;
