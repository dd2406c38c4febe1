//! What a model prints, on its way to the log.
//!
//! The log is this process's standard error. A model may print without end, so the file behind it, where it is one, is
//! begun anew once a model has filled its share.

use std::{
    fs::File,
    io::{self, PipeReader, Read as _, Write as _},
    os::fd::AsFd as _,
    thread,
};

/// What may be printed before the log is begun anew, in bytes.
const SHARE: usize = 8 << 20;

/// Writes to standard error whatever comes, until nobody is left to say something.
pub(super) fn pass_on(mut from: PipeReader) -> io::Result<()> {
    let work = move || {
        let mut buffer = [0; 8192];
        let mut passed = 0_usize;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            passed += count;
            if passed > SHARE {
                passed = count;
                begin_anew();
            }
            // A log that cannot be written, on a full disk for one, must not stop the model.
            let _ = io::stderr().lock().write_all(&buffer[..count]);
        }
    };
    thread::Builder::new().name("model's output".to_owned()).spawn(work).map(drop)
}

/// Empties the file that standard error is, if it is one.
fn begin_anew() {
    let Ok(log) = io::stderr().as_fd().try_clone_to_owned().map(File::from) else { return };
    if log.metadata().is_ok_and(|metadata| metadata.is_file()) && log.set_len(0).is_ok() {
        let _ = writeln!(io::stderr(), "the model printed more than {} MiB; the log begins anew", SHARE >> 20);
    }
}
