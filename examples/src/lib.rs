//! What the example programs share: options, output, exit codes.
