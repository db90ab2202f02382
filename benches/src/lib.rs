//! What the benchmarks share: inputs made on the spot.
