//! Reading MLflow's tables from both databases. The real MLflow is asked in `tests/test_import.py`.

mod database;
