-- Who decides, where several servers share the database, and how far upkeep has come.
-- Every decision reads `leadership` and locks it against a change of hands; so what its holder renews all the time lies
-- in another row.

CREATE TABLE leadership (
    name TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    holder TEXT NOT NULL,
    address TEXT NOT NULL,
    since BIGINT NOT NULL
);

CREATE TABLE heartbeat (
    name TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- How far the queues had come at a time: rows up to there are at least that old.
CREATE TABLE queue_mark (
    marked_at BIGINT NOT NULL PRIMARY KEY,
    inbox BIGINT NOT NULL,
    outbox BIGINT NOT NULL
);
