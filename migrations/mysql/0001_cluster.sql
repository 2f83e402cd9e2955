-- The tables of store/mysql. Times are milliseconds since 1970 by the database's clock. Texts are stored as bytes:
-- they compare byte by byte, and need not be UTF-8.

-- +goose Up

-- One row for each transaction that has not ended. state is status * 4 + stuck, see orchestrator/txn. data is the
-- record of package txn without what is in concord_part; layout says what that is: the number of branches times
-- 2^43, how many of them are in data times 2^31, and how many bytes of the history are not.
-- due_at is what the record says, look_at when somebody must look at it next, after claims. epoch is that of the node
-- that wrote last.
CREATE TABLE IF NOT EXISTS concord_live (
    id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    state TINYINT NOT NULL,
    began_at BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    look_at BIGINT NOT NULL,
    claim BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL,
    layout BIGINT NOT NULL,
    app_hash BIGINT NOT NULL DEFAULT 0,
    name_hash BIGINT NOT NULL DEFAULT 0,
    prefix VARBINARY(512) NOT NULL DEFAULT '',
    data LONGBLOB NOT NULL,
    PRIMARY KEY (id),
    KEY k_look (look_at, id),
    KEY k_state (state, began_at, id)
) ENGINE = InnoDB;

-- One row for each ended transaction, until retention. There is no index for retention: it walks k_state.
CREATE TABLE IF NOT EXISTS concord_finished (
    id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    state TINYINT NOT NULL,
    began_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    layout BIGINT NOT NULL,
    app_hash BIGINT NOT NULL,
    name_hash BIGINT NOT NULL,
    data LONGBLOB NOT NULL,
    PRIMARY KEY (id),
    KEY k_state (state, began_at, id),
    KEY k_app (app_hash, began_at, id, state, name_hash),
    KEY k_name (name_hash, began_at, id, state, app_hash)
) ENGINE = InnoDB;

-- What does not fit into a record, of live and of finished transactions: kind 1 is a branch and seq its index, kind 2 a
-- piece of history and seq the offset at which it begins.
CREATE TABLE IF NOT EXISTS concord_part (
    id BIGINT NOT NULL,
    kind TINYINT NOT NULL,
    seq INT NOT NULL,
    data LONGBLOB NOT NULL,
    PRIMARY KEY (id, kind, seq)
) ENGINE = InnoDB;

-- One row for each locked row of a participant's database. row_hash is the beginning of the SHA-256 of resource, folded
-- table and key; held counts how often the holder's branches acquired it.
CREATE TABLE IF NOT EXISTS concord_lock (
    row_hash BINARY(16) NOT NULL,
    holder BIGINT NOT NULL,
    branch BIGINT NOT NULL,
    held INT NOT NULL,
    since BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    resource BLOB NOT NULL,
    tbl LONGBLOB NOT NULL,
    pk LONGBLOB NOT NULL,
    PRIMARY KEY (row_hash)
) ENGINE = InnoDB;

-- One row for each pack of decisions of which some are not known to have been read. n is how many, recorded_at when the
-- first of them was decided. events is one after the other: id, time, and 1 with topic and group or 0 for those of the
-- one before, then the event; numbers are zigzag varints, lengths are varints.
CREATE TABLE IF NOT EXISTS concord_outbox (
    pack VARBINARY(64) NOT NULL,
    recorded_at BIGINT NOT NULL,
    n INT NOT NULL,
    claim_until BIGINT NOT NULL DEFAULT 0,
    claim BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL,
    events LONGBLOB NOT NULL,
    PRIMARY KEY (pack),
    KEY k_recorded (recorded_at, n)
) ENGINE = InnoDB;

-- One row for each message that carried decisions: outcome 1 is stored, 2 aborted by a check-back.
CREATE TABLE IF NOT EXISTS concord_pack (
    pack VARBINARY(64) NOT NULL,
    outcome TINYINT NOT NULL,
    created_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (pack),
    KEY k_created (created_at)
) ENGINE = InnoDB;

-- One row for each node id that was a member not too long ago. The counters are what the node's writes have added; only the sum
-- over all nodes means something. write_0 and write_1 are the tokens of the node's last writes, one for each of its
-- lanes.
CREATE TABLE IF NOT EXISTS concord_node (
    id VARBINARY(255) NOT NULL,
    epoch BIGINT NOT NULL,
    fenced TINYINT NOT NULL,
    draining TINYINT NOT NULL,
    joined_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    write_0 BIGINT NOT NULL DEFAULT 0,
    write_1 BIGINT NOT NULL DEFAULT 0,
    advertise VARBINARY(512) NOT NULL,
    internal VARBINARY(512) NOT NULL,
    version VARBINARY(255) NOT NULL,
    n_active BIGINT NOT NULL DEFAULT 0,
    n_committing BIGINT NOT NULL DEFAULT 0,
    n_rolling_back BIGINT NOT NULL DEFAULT 0,
    n_committed BIGINT NOT NULL DEFAULT 0,
    n_rolled_back BIGINT NOT NULL DEFAULT 0,
    n_stuck BIGINT NOT NULL DEFAULT 0,
    n_locks BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
) ENGINE = InnoDB;

-- One row for each life of a node: from a join to the end of its membership, 0 while it lasts.
CREATE TABLE IF NOT EXISTS concord_life (
    epoch BIGINT NOT NULL,
    node VARBINARY(255) NOT NULL,
    joined_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    PRIMARY KEY (epoch)
) ENGINE = InnoDB;

-- What a node tells the others: its clients' sessions and the waits for rows.
CREATE TABLE IF NOT EXISTS concord_news (
    node VARBINARY(255) NOT NULL,
    epoch BIGINT NOT NULL,
    sessions LONGBLOB NOT NULL,
    waits LONGBLOB NOT NULL,
    PRIMARY KEY (node)
) ENGINE = InnoDB;

-- Settings that were changed at run time.
CREATE TABLE IF NOT EXISTS concord_setting (
    name VARBINARY(255) NOT NULL,
    value LONGBLOB NOT NULL,
    version BIGINT NOT NULL,
    changed_by VARBINARY(512) NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB;

-- Counters: the next id, the last epoch, the version of the settings.
CREATE TABLE IF NOT EXISTS concord_meta (
    name VARBINARY(64) NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB;

INSERT IGNORE INTO concord_meta (name, value) VALUES ('ids', 1), ('epoch', 0), ('settings', 0);
