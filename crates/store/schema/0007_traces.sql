-- Traces, their spans and what was said of them. Ids of traces come from clients, so they are unique within a project
-- only; inside, a trace is a number. *_ms are milliseconds, *_ns nanoseconds since the epoch.

-- told: 1 = its client told all of it, and spans that come later change it no more.
CREATE TABLE trace (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    id TEXT NOT NULL,
    experiment BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    took_ms BIGINT,
    state TEXT NOT NULL,
    told BIGINT NOT NULL,
    name TEXT,
    session TEXT,
    client_request TEXT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    total_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_long_tokens BIGINT,
    input_cost DOUBLE PRECISION,
    output_cost DOUBLE PRECISION,
    total_cost DOUBLE PRECISION,
    request TEXT,
    response TEXT,
    UNIQUE (project, id)
);
CREATE INDEX trace_by_time ON trace (project, experiment, at_ms DESC, id);
CREATE INDEX trace_by_session ON trace (project, experiment, session) WHERE session IS NOT NULL;

CREATE TABLE trace_tag (
    trace BIGINT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace, key)
) WITHOUT ROWID;

CREATE TABLE trace_metadata (
    trace BIGINT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace, key)
) WITHOUT ROWID;

-- What a trace belongs to. kind: run, prompt; target: the run's id, or name/version of the prompt.
CREATE TABLE trace_link (
    trace BIGINT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (trace, kind, target)
) WITHOUT ROWID;
CREATE INDEX trace_link_by_target ON trace_link (kind, target, trace);

-- The content comes last: what is asked of spans is answered before it is read.
CREATE TABLE trace_span (
    trace BIGINT NOT NULL,
    id TEXT NOT NULL,
    parent TEXT,
    name TEXT NOT NULL,
    kind TEXT,
    status TEXT NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns BIGINT,
    input_tokens BIGINT,
    output_tokens BIGINT,
    total_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_long_tokens BIGINT,
    input_cost DOUBLE PRECISION,
    output_cost DOUBLE PRECISION,
    total_cost DOUBLE PRECISION,
    model TEXT,
    provider TEXT,
    content TEXT NOT NULL,
    PRIMARY KEY (trace, id)
);

-- number: the value to compute with; numeric: 1 = it was written as a number.
CREATE TABLE assessment (
    trace BIGINT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    number DOUBLE PRECISION,
    numeric_value BIGINT NOT NULL,
    error TEXT,
    rationale TEXT,
    source_type TEXT NOT NULL,
    source_id TEXT,
    run TEXT,
    span TEXT,
    overrides TEXT,
    valid BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (trace, id)
);
CREATE INDEX assessment_by_name ON assessment (kind, name, trace);
