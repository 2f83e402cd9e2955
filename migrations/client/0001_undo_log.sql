-- +goose Up

-- undo_log holds what AT branches changed, beside what they changed, until their transaction has ended. It is the table
-- of Seata's script for MySQL, so that services in Java and Go share it; each database with AT resources has one.
CREATE TABLE IF NOT EXISTS undo_log (
    branch_id     BIGINT       NOT NULL COMMENT 'branch of the global transaction',
    xid           VARCHAR(128) NOT NULL COMMENT 'global transaction',
    context       VARCHAR(128) NOT NULL COMMENT 'serializer, compressor and zone of rollback_info',
    rollback_info LONGBLOB     NOT NULL COMMENT 'images before and after',
    log_status    INT          NOT NULL COMMENT '0 an undo log, 1 keeps a late branch from committing',
    log_created   DATETIME(6)  NOT NULL,
    log_modified  DATETIME(6)  NOT NULL,
    UNIQUE KEY ux_undo_log (xid, branch_id),
    KEY ix_log_created (log_created)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
