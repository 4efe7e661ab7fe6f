//! Adds TweetNaCl to the bundled libzmq, which has CURVE's protocol but not its cryptography.
//!
//! zeromq-src builds CURVE only with a libsodium of the machine. libzmq's own source, which it ships, holds TweetNaCl for
//! the same purpose; `.cargo/config.toml` tells libzmq to use it.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let folder =
        |name| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("cargo sets {name}")));
    let (own, source) = (folder("OUT_DIR")?, folder("DEP_ZMQ_OUT")?.join("source/src"));
    // Included, and empty in zeromq-src's build too: everything is defined on the command line.
    fs::write(own.join("platform.hpp"), "")?;
    let mut build = cc::Build::new();
    build.file(source.join("tweetnacl.c")).include(&own).include(&source);
    build.define("ZMQ_USE_TWEETNACL", "1").opt_level(3).warnings(false).compile("tweetnacl");
    Ok(())
}
