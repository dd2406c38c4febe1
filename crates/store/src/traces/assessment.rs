//! What was said of traces.

use windlass_kinds::{
    AssessmentId, Name, RunId, TraceId,
    record::{Assessment, AssessmentKind},
};

use crate::{
    Refusal, RefusalSubject as Subject, StoreError, Tx,
    encode::json,
    tracking::Query,
    tx::{Row, args},
};

/// The columns of an assessment, in the order of [`assessment_of`].
const COLUMNS: &str = "x.trace, x.id, x.kind, x.name, x.value, x.number, x.numeric_value, x.error, x.rationale, \
    x.source_type, x.source_id, x.run, x.span, x.overrides, x.valid, x.metadata, x.created_ms, x.updated_ms";

fn assessment_of(row: &Row) -> Result<(i64, Assessment), StoreError> {
    let kind = row.text(2)?;
    let numeric = row.bool(6)?;
    let assessment = Assessment {
        id: AssessmentId::new(row.text(1)?),
        kind: AssessmentKind::parse(&kind)
            .ok_or_else(|| StoreError::corrupt(format!("an assessment of kind `{kind}`")))?,
        name: row.text(3)?,
        value: row.text(4)?,
        number: row.opt_real(5)?.map(|number| (number, numeric)),
        error: row.opt_text(7)?,
        rationale: row.opt_text(8)?,
        source_type: row.text(9)?,
        source_id: row.opt_text(10)?,
        run: row.opt_text(11)?.map(RunId::new),
        span: row.opt_text(12)?,
        overrides: row.opt_text(13)?.map(AssessmentId::new),
        valid: row.bool(14)?,
        metadata: row.json(15)?,
        created_ms: row.int(16)?,
        updated_ms: row.int(17)?,
    };
    Ok((row.int(0)?, assessment))
}

impl Tx {
    /// Writes an assessment; one with that id of that trace is replaced.
    pub(super) async fn assessment_put(&mut self, number: i64, assessment: &Assessment) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO assessment (trace, id, kind, name, value, number, numeric_value, error, rationale, source_type,
             source_id, run, span, overrides, valid, metadata, created_ms, updated_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
             ON CONFLICT (trace, id) DO UPDATE SET kind = excluded.kind, name = excluded.name, value = excluded.value,
             number = excluded.number, numeric_value = excluded.numeric_value, error = excluded.error,
             rationale = excluded.rationale, source_type = excluded.source_type, source_id = excluded.source_id,
             run = excluded.run, span = excluded.span, overrides = excluded.overrides, valid = excluded.valid,
             metadata = excluded.metadata, created_ms = excluded.created_ms, updated_ms = excluded.updated_ms",
            args![
                number,
                assessment.id.as_str(),
                assessment.kind.as_str(),
                &assessment.name,
                &assessment.value,
                assessment.number.map(|(number, _)| number),
                assessment.number.is_some_and(|(_, numeric)| numeric),
                assessment.error.as_deref(),
                assessment.rationale.as_deref(),
                &assessment.source_type,
                assessment.source_id.as_deref(),
                assessment.run.as_ref().map(RunId::as_str),
                assessment.span.as_deref(),
                assessment.overrides.as_ref().map(AssessmentId::as_str),
                assessment.valid,
                json(&assessment.metadata),
                assessment.created_ms,
                assessment.updated_ms,
            ],
        )
        .await?;
        Ok(())
    }

    /// Returns the assessments of traces with the number of their trace, oldest first.
    pub(super) async fn assessments_of(&mut self, numbers: &[i64]) -> Result<Vec<(i64, Assessment)>, StoreError> {
        let mut query =
            Query::new(self.is_postgres(), &format!("SELECT {COLUMNS} FROM assessment x WHERE x.trace IN "));
        query.list(numbers.iter().copied());
        query.text(" ORDER BY x.trace, x.created_ms, x.id");
        let rows = query.rows(self).await?;
        rows.iter().map(assessment_of).collect()
    }

    /// Adds an assessment; the one that it takes the place of, if any, is valid no more.
    ///
    /// # Errors
    /// There is no such trace, or not the one to take the place of; or there is one with that id.
    pub async fn assessment_add(
        &mut self,
        project: &Name,
        trace: &TraceId,
        assessment: &Assessment,
    ) -> Result<(), StoreError> {
        let number = self.trace_number(project, trace).await?;
        if self.assessment_get(project, trace, &assessment.id).await?.is_some() {
            return Err(Refusal::Exists(Subject::Assessment(trace.clone(), assessment.id.clone())).into());
        }
        if let Some(old) = &assessment.overrides {
            let changed = self
                .execute("UPDATE assessment SET valid = 0 WHERE trace = $1 AND id = $2", args![number, old.as_str()])
                .await?;
            if changed == 0 {
                return Err(Refusal::Missing(Subject::Assessment(trace.clone(), old.clone())).into());
            }
        }
        self.assessment_put(number, assessment).await
    }

    /// Returns an assessment of a trace.
    pub async fn assessment_get(
        &mut self,
        project: &Name,
        trace: &TraceId,
        id: &AssessmentId,
    ) -> Result<Option<Assessment>, StoreError> {
        let mut query = Query::new(
            self.is_postgres(),
            &format!("SELECT {COLUMNS} FROM trace t JOIN assessment x ON x.trace = t.number WHERE t.project = "),
        );
        query.arg(project);
        query.text(" AND t.id = ");
        query.arg(trace.as_str());
        query.text(" AND x.id = ");
        query.arg(id.as_str());
        let rows = query.rows(self).await?;
        rows.first().map(|row| Ok(assessment_of(row)?.1)).transpose()
    }

    /// Writes an assessment anew that was read within this transaction.
    pub async fn assessment_change(
        &mut self,
        project: &Name,
        trace: &TraceId,
        assessment: &Assessment,
    ) -> Result<(), StoreError> {
        let number = self.trace_number(project, trace).await?;
        self.assessment_put(number, assessment).await
    }

    /// Removes an assessment, if it is there; the one whose place it took is valid again.
    pub async fn assessment_delete(
        &mut self,
        project: &Name,
        trace: &TraceId,
        id: &AssessmentId,
    ) -> Result<(), StoreError> {
        let Some(found) = self.assessment_get(project, trace, id).await? else { return Ok(()) };
        let number = self.trace_number(project, trace).await?;
        if let Some(old) = &found.overrides {
            self.execute("UPDATE assessment SET valid = 1 WHERE trace = $1 AND id = $2", args![number, old.as_str()])
                .await?;
        }
        self.execute("DELETE FROM assessment WHERE trace = $1 AND id = $2", args![number, id.as_str()]).await?;
        Ok(())
    }
}
