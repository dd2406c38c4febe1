//! Time, brought in by the front door.

use windlass_kinds::Micros;

/// A source of the present instant.
pub trait Clock: Send + Sync {
    /// Returns now.
    fn now(&self) -> Micros;
}

/// The clock of the machine, which may be set back: nobody may rely on its order.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Micros {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
