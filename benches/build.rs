//! Compiles the C++ that the benchmark `bencode` compares with, if that is asked for.
//!
//! `TINYTORRENT_LIBTORRENT=1 cargo bench …` needs a C++ compiler and libtorrent's headers and library
//! (Debian: libtorrent-rasterbar-dev). It is no feature, so that checking all features needs neither.

const SWITCH: &str = "TINYTORRENT_LIBTORRENT";
const SOURCE: &str = "libtorrent/bdecode.cpp";

fn main() {
    println!("cargo::rerun-if-env-changed={SWITCH}");
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rustc-check-cfg=cfg(libtorrent)");
    if std::env::var_os(SWITCH).is_none() {
        return;
    }
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").opt_level(3).warnings(false).cargo_metadata(false);
    build.file(SOURCE).compile("bdecode");
    // The benchmark itself names the libraries, so that no other one links them.
    let out = std::env::var("OUT_DIR").expect("cargo sets it for build scripts");
    println!("cargo::rustc-link-search=native={out}");
    println!("cargo::rustc-cfg=libtorrent");
}
