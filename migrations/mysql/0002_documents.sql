-- What the HTTP API remembers beside the transactions: keys, sessions, jobs, stored replies, the journal. Times are
-- milliseconds since 1970 by the database's clock.

-- +goose Up

-- One row for each document. version counts its changes from 1; expires_at is when it disappears, 0 for never: from
-- then on nobody sees it, and the next pass of retention removes it. bytes is the length of value. epoch is that of the
-- node that wrote last.
CREATE TABLE IF NOT EXISTS concord_document (
    kind VARBINARY(32) NOT NULL,
    k VARBINARY(200) NOT NULL,
    version BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    bytes INT NOT NULL,
    value MEDIUMBLOB NOT NULL,
    PRIMARY KEY (kind, k),
    KEY k_expires (expires_at)
) ENGINE = InnoDB;
