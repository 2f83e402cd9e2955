-- +goose Up

-- concord_outbox holds events from the local transaction that wrote them until a relay has published them. The relay
-- reads it in the order of id and deletes what is published.
CREATE TABLE IF NOT EXISTS concord_outbox (
    id           BIGINT       NOT NULL AUTO_INCREMENT,
    event_id     VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'what consumers know it by',
    topic        VARCHAR(127) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    ordering_key VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' COMMENT 'in order by it',
    event        LONGBLOB     NOT NULL COMMENT 'a CloudEvents 1.0 document',
    attempts     INT          NOT NULL DEFAULT 0 COMMENT 'publications that failed',
    failure      VARCHAR(500) CHARACTER SET utf8mb4 NOT NULL DEFAULT '' COMMENT 'what the last one said',
    created_at   DATETIME(3)  NOT NULL COMMENT 'UTC',
    PRIMARY KEY (id),
    UNIQUE KEY ux_concord_outbox_event (event_id)
) ENGINE = InnoDB;

-- concord_outbox_lease says which relay publishes: one at a time, so that the order is kept.
CREATE TABLE IF NOT EXISTS concord_outbox_lease (
    name    VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    owner   VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    term    BIGINT       NOT NULL COMMENT 'counts, so that each renewal changes the row',
    ends_at DATETIME(3)  NOT NULL COMMENT 'UTC, by the clock of the database',
    PRIMARY KEY (name)
) ENGINE = InnoDB;

-- concord_result holds the results of tasks that were done behind a fence, for copies of them. Rows may be deleted when
-- the sagas that they belong to are past retention.
CREATE TABLE IF NOT EXISTS concord_result (
    xid        VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    branch_id  BIGINT       NOT NULL,
    result     LONGBLOB     NOT NULL COMMENT 'JSON',
    created_at DATETIME(3)  NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (xid, branch_id),
    KEY ix_concord_result_created (created_at)
) ENGINE = InnoDB;
