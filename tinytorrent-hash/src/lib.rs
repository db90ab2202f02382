//! SHA-1 and SHA-256 of many messages at once, in SIMD lanes chosen at run time.
