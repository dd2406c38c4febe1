//! What tests share: stores of both kinds, thrown away afterwards.
//!
//! [`store_tests!`] writes a test once and runs it on SQLite and on PostgreSQL. PostgreSQL is Debian's, started once per
//! test process on a socket of its own in a temporary folder; it ends with the process, however that ends. Where it is
//! not installed the tests say so aloud and pass, but fail under `CI`.

mod postgres;
mod private;
mod store;

pub use postgres::Postgres;
pub use private::PrivatePostgres;
pub use store::{TestStore, run};
