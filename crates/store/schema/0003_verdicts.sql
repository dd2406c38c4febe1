-- What was judged of model versions, and what monitors saw. Both only ever grow.

CREATE TABLE verdict (
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    version BIGINT NOT NULL,
    alias TEXT NOT NULL,
    number BIGINT NOT NULL,
    passed BIGINT NOT NULL,
    judged_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, model, version, alias, number)
);
CREATE INDEX verdict_by_time ON verdict (project, model, judged_at);

CREATE TABLE observation (
    project TEXT NOT NULL,
    monitor TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    identity TEXT NOT NULL,
    breached BIGINT NOT NULL,
    observed_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, monitor, sequence),
    UNIQUE (project, monitor, identity)
);
