-- Webhooks, what they listen to, and what is on its way to them. A delivery is written in the transaction of the change
-- that it tells of, and goes away once it was taken or given up: this is an outbox of its own, so that a receiver that
-- does not answer holds up nothing else.

CREATE TABLE webhook (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    description TEXT,
    active BIGINT NOT NULL,
    secret BLOB,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX webhook_by_project ON webhook (project, place);

CREATE TABLE webhook_event (
    webhook TEXT NOT NULL,
    event TEXT NOT NULL,
    project TEXT NOT NULL,
    PRIMARY KEY (webhook, event)
);
CREATE INDEX webhook_event_by_event ON webhook_event (project, event, webhook);

CREATE TABLE webhook_delivery (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    tries BIGINT NOT NULL
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (due_at, place);
CREATE INDEX webhook_delivery_untried ON webhook_delivery (place) WHERE tries = 0;
CREATE INDEX webhook_delivery_by_webhook ON webhook_delivery (webhook);
