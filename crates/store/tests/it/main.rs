//! The store from outside: each test runs on SQLite and on PostgreSQL unless it is about one of them.

mod collect;
mod counts;
mod durability;
mod endpoints;
mod evaluation;
mod import;
mod labels;
mod lease;
mod ledger;
mod ledger_tracking;
mod paging;
mod plans;
mod postgres;
mod queues;
mod records;
mod registry;
mod samples;
mod traces;
mod tracking;
mod tracking_page;
mod transactions;
mod uploads;
mod webhooks;
