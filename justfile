# The everyday commands, for https://just.systems. Each is a line that can also be typed.

# Lists the commands.
default:
    @just --list --unsorted

# Runs all that must hold before a review, or single steps of it.
check *STEPS:
    bash .ci/run {{ STEPS }}

# Checks format, lints, docs and READMEs: a few seconds once the code is built.
quick:
    bash .ci/run fmt clippy doc readmes

# Runs all tests, or with `-p CRATE` and a NAME some of them.
test *ARGS='--workspace':
    cargo test {{ ARGS }}

# Runs the tests against programs of others, or those with NAME in their names.
interop *NAME:
    cargo test -p tinytorrent-examples --test interop {{ NAME }}

# Formats the code.
fmt:
    cargo fmt --all

# Shows the docs of our crates in a browser.
doc:
    cargo doc --workspace --no-deps --open

# Makes the READMEs of the crates from their docs.
readmes:
    .ci/readmes

# Runs one of the programs: `just run verify a.torrent DIR`.
[positional-arguments]
run PROGRAM *ARGS:
    @# As arguments, since the shell would take the `&` of a magnet link for its own.
    program=$1; shift; cargo run --release --example "$program" -- "$@"

# Makes content, seeds it and downloads it, all on this machine.
demo:
    cargo run --release --example download

# Runs the benchmarks of a file in `benches/benches`, or some of them by NAME.
bench FILE *NAME:
    cargo bench -p tinytorrent-benches --bench {{ FILE }} -- {{ NAME }}

# Runs each fuzz target for some seconds.
fuzz SECONDS='60':
    FUZZ_SECONDS={{ SECONDS }} bash .ci/run fuzz

# Installs the programs that the interop tests drive (Debian and Ubuntu).
setup:
    CI=true bash .ci/run programs
