//! A logged model as a function from tables to tables.
