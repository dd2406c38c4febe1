//! Links the binary so that it starts fast, because it starts once beside each step.
//!
//! The binary holds more than fifty thousand pointers to its own code and constants. Where it may lie at any address,
//! the loader must write each of them at every start: two hundred and more pages copied, a third of what we cost a short
//! step, and more with everything that is added. At a fixed address the linker writes them once. What is given up is
//! that the program's own code lies elsewhere in each process; libraries, heap and stack still do. Go's programs are
//! linked in the same way.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
    // The C compiler that links knows the flag; elsewhere programs may have to be movable.
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
