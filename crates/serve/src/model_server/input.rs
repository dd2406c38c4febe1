//! The tie to whoever started this process: its standard input.

use std::{
    io::{self, Read as _},
    thread,
};

/// Calls `then` once standard input ends. A thread waits for that, since such a read cannot be cancelled.
pub(super) fn when_closed(then: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut buffer = [0; 256];
        while io::stdin().lock().read(&mut buffer).is_ok_and(|read| read > 0) {}
        then();
    })?;
    Ok(())
}
