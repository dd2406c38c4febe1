//! What is logged of a request: under which names, and what not.

use std::borrow::Cow;

use windlass_data::table::{RowIdError, Table, Values, row_ids};
use windlass_kinds::Micros;

use super::route::Live;
use crate::{
    log::{Prediction, PredictionLog},
    protocol::Request,
};

/// Returns the names of a request's rows.
pub(super) fn name_rows(live: &Live, request: &Request, request_id: &str) -> Result<Vec<String>, RowIdError> {
    let wanted = &live.route.row_id;
    if wanted.is_empty() {
        return Ok((0..request.rows.rows()).map(|row| format!("{request_id}/{row}")).collect());
    }
    if wanted.iter().all(|name| live.extras.contains(name)) {
        return row_ids(&request.extras, wanted);
    }
    let both = request.rows.columns().iter().chain(request.extras.columns());
    let columns = both.filter(|(name, _)| wanted.contains(name)).cloned().collect();
    // Of equal length and different names, as they come from one request.
    row_ids(&Table::new(columns).unwrap_or_default(), wanted)
}

/// Logs the predictions of one request: the model's inputs, the columns beside them, and the outputs.
pub(super) async fn log(
    log: &PredictionLog,
    live: &Live,
    request: &Request,
    predictions: &Table,
    (request_id, row_ids): (&str, &[String]),
    at: Micros,
) {
    let route = &live.route;
    let inputs = request.rows.columns().iter().chain(request.extras.columns());
    let inputs = inputs
        .filter(|(name, _)| !route.log.redact.contains(name))
        .map(|(name, values)| (Cow::Borrowed(live.renamed.get(name).unwrap_or(name).as_str()), values));
    let is_alone = predictions.columns().len() == 1;
    let outputs = predictions.columns().iter().map(|(name, values)| {
        let name = if is_alone { Cow::Borrowed("prediction") } else { Cow::Owned(format!("prediction_{name}")) };
        (name, values)
    });
    let columns: Vec<(Cow<'_, str>, &Values)> = inputs.chain(outputs).collect();
    let columns: Vec<(&str, &Values)> = columns.iter().map(|(name, values)| (name.as_ref(), *values)).collect();
    log.append(&Prediction { request_id, at, model_version: route.version, row_ids, columns: &columns }).await;
}
