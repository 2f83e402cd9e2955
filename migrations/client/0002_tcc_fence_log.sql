-- What a participant has done for its parts of transactions: one row each, written in the local transaction of the
-- business. The columns and the statuses 1 to 4 are those of Seata for Java, so that services in both languages can
-- share the table. It may be run again.

-- +goose Up

CREATE TABLE IF NOT EXISTS `tcc_fence_log`
(
    `xid`          VARCHAR(128) NOT NULL COMMENT 'the transaction; of an event its consumer and id',
    `branch_id`    BIGINT       NOT NULL COMMENT 'its part; 0 of an event',
    `action_name`  VARCHAR(64)  NOT NULL COMMENT 'what the part does, for people',
    `status`       TINYINT      NOT NULL COMMENT '1 tried, 2 committed, 3 rolled back, 4 suspended, 5 step done, 6 event consumed',
    `gmt_create`   DATETIME(3)  NOT NULL COMMENT 'in the zone of the clients; Go writes UTC unless told otherwise',
    `gmt_modified` DATETIME(3)  NOT NULL COMMENT 'the same; old rows are deleted by it',
    PRIMARY KEY (`xid`, `branch_id`),
    KEY `idx_gmt_modified` (`gmt_modified`),
    KEY `idx_status` (`status`)
) ENGINE = InnoDB
  DEFAULT CHARSET = utf8mb4;
