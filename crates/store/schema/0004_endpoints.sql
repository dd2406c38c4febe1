-- What endpoints serve and served: one row a revision, whose state alone changes.

CREATE TABLE endpoint_revision (
    project TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    open BIGINT NOT NULL,
    model TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, endpoint, number)
);
CREATE INDEX endpoint_revision_open ON endpoint_revision (project, endpoint, number) WHERE open = 1;
