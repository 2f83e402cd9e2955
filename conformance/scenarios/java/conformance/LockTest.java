package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.seata.core.model.GlobalLockConfig;
import io.seata.rm.GlobalLockExecutor;
import io.seata.rm.GlobalLockTemplate;
import io.seata.rm.datasource.exec.LockConflictException;
import io.seata.rm.datasource.exec.LockWaitTimeoutException;
import io.seata.tm.api.TransactionalExecutor;
import io.seata.tm.api.TransactionalTemplate;
import io.seata.tm.api.transaction.TransactionInfo;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;

/** AT's global locks: a row that an unfinished transaction changed belongs to it. */
@ExtendWith(Conformance.class)
class LockTest {
    private static final String ADD_ONE = "UPDATE account SET balance = balance + 1 WHERE id = 1";
    private static final String READ = "SELECT balance FROM account WHERE id = 1";

    /** Far beyond any wait here; only a request that is never answered takes longer. */
    private static final long PATIENCE_SECONDS = 120;

    /** Well below the timeout of a global transaction. Seata's own server takes 0.3 to 1 s. */
    private static final Duration REFUSED_WITHIN = Duration.ofSeconds(20);

    private static Schema bank;

    @BeforeAll
    static void createSchema() throws SQLException {
        bank = new Schema("lock");
    }

    @BeforeEach
    void fillTables() throws SQLException {
        bank.execute("DELETE FROM account", "DELETE FROM order_line",
                "INSERT INTO account VALUES (1, 'Alice', 100), (2, 'Bob', 200)",
                "INSERT INTO order_line VALUES (1, 1, 'ink', 2), (1, 2, 'paper', 500)");
    }

    @Test
    void secondWriterIsRefusedUntilTheFirstCommits() throws Exception {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        Global second = Global.begin();

        assertConflict(() -> second.run(() -> Schema.run(bank.at(), ADD_ONE)));
        assertEquals(101, bank.number(READ), "the refused statement must not be visible");

        first.commit();
        second.run(() -> Schema.run(bank.at(), ADD_ONE)).commit();
        assertEquals(102, bank.number(READ));
        bank.assertNothingLeft();
    }

    @Test
    void secondWriterIsRefusedUntilTheFirstRollsBack() throws Exception {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        Global second = Global.begin();

        assertConflict(() -> second.run(() -> updateInLocalTransaction(ADD_ONE)));

        first.rollback();
        second.run(() -> updateInLocalTransaction(ADD_ONE)).commit();
        assertEquals(101, bank.number(READ));
        bank.assertNothingLeft();
    }

    /** The writer that waits inside the client or at the coordinator goes on by itself. */
    @Test
    void waitingWriterGoesOnWhenTheRowIsReleased() throws Exception {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        CompletableFuture<Void> second = CompletableFuture.runAsync(() -> patiently(ADD_ONE));

        assertThrows(TimeoutException.class, () -> second.get(300, TimeUnit.MILLISECONDS), "the row is still locked");
        first.commit();

        second.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertEquals(102, bank.number(READ));
        bank.assertNothingLeft();
    }

    @Test
    void locksAreReleasedAtOnceByCommit() throws Exception {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        assertEquals(1, Conformance.coordinator().locks(bank).size());
        first.commit();
        assertEquals(List.of(), Conformance.coordinator().locks(bank), "locks after the answer to commit");
    }

    @Test
    void locksAreReleasedAtOnceByRollback() throws Exception {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        assertEquals(1, Conformance.coordinator().locks(bank).size());
        first.rollback();
        assertEquals(List.of(), Conformance.coordinator().locks(bank), "locks after the answer to rollback");
    }

    @Test
    void otherRowsAreFree() throws Exception {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        Global second = Global.begin()
                .run(() -> Schema.run(bank.at(), "UPDATE account SET balance = 0 WHERE id = 2"));
        second.commit();
        first.commit();
        assertEquals(101, bank.number(READ));
        assertEquals(0, bank.number("SELECT balance FROM account WHERE id = 2"));
    }

    @Test
    void lockIsReentrantWithinOneTransaction() throws Exception {
        Global only = Global.begin();
        only.run(() -> Schema.run(bank.at(), ADD_ONE));
        only.run(() -> Schema.run(bank.at(), ADD_ONE));
        only.commit();
        assertEquals(102, bank.number(READ));
    }

    @Test
    void compositeKeyLocksOneRowOnly() throws Exception {
        String firstLine = "UPDATE order_line SET quantity = 0 WHERE order_id = 1 AND line_no = 1";
        String secondLine = "UPDATE order_line SET quantity = 0 WHERE order_id = 1 AND line_no = 2";
        Global first = Global.begin().run(() -> Schema.run(bank.at(), firstLine));
        Global second = Global.begin();

        second.run(() -> Schema.run(bank.at(), secondLine));
        assertConflict(() -> second.run(() -> Schema.run(bank.at(), firstLine)));

        second.rollback();
        first.rollback();
        assertEquals(List.of("2", "500"), bank.rows("SELECT quantity FROM order_line ORDER BY line_no"));
        bank.assertNothingLeft();
    }

    /** The client asks with GlobalLockQuery, as it has no branch to register. */
    @Test
    void selectForUpdateWaitsForTheGlobalLock() throws Exception {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        Global second = Global.begin();

        assertConflict(() -> second.run(() -> readForUpdate(false)));
        assertConflict(() -> second.run(() -> readForUpdate(true)));

        first.rollback();
        second.run(() -> assertEquals(List.of("100"), readForUpdate(false), "only committed data may be read"));
        second.commit();
        bank.assertNothingLeft();
    }

    /** An own lock does not block the transaction that holds it. */
    @Test
    void selectForUpdateSeesOwnRows() throws Exception {
        Global only = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        only.run(() -> assertEquals(List.of("101"), readForUpdate(false)));
        only.commit();
    }

    /** What the annotation GlobalLock does: a local transaction that respects the locks of global ones. */
    @Test
    void globalLockRespectsOtherTransactions() throws Throwable {
        Global first = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));

        assertConflict(() -> withGlobalLock(() -> Schema.run(bank.at(), ADD_ONE)));
        assertConflict(() -> withGlobalLock(() -> readForUpdate(false)));
        withGlobalLock(() -> Schema.run(bank.at(), "UPDATE account SET balance = 0 WHERE id = 2"));

        first.commit();
        withGlobalLock(() -> Schema.run(bank.at(), ADD_ONE));
        assertEquals(102, bank.number(READ));
        bank.assertNothingLeft();
    }

    /** Reads the row with select for update through the proxy, with autocommit or in a local transaction. */
    private static List<String> readForUpdate(boolean autocommit) throws SQLException {
        try (Connection connection = bank.at().getConnection()) {
            connection.setAutoCommit(autocommit);
            List<String> rows;
            try {
                rows = Schema.rows(connection, READ + " FOR UPDATE");
            } finally {
                if (!autocommit) {
                    connection.rollback();
                }
            }
            return rows;
        }
    }

    private static void updateInLocalTransaction(String sql) throws SQLException {
        try (Connection connection = bank.at().getConnection()) {
            connection.setAutoCommit(false);
            try {
                connection.createStatement().executeUpdate(sql);
                connection.commit();
            } catch (SQLException e) {
                connection.rollback();
                throw e;
            }
        }
    }

    /** Runs a statement in a global transaction of its own that retries a conflict for about ten seconds. */
    private static void patiently(String sql) {
        TransactionInfo info = new TransactionInfo();
        info.setName("patient");
        info.setTimeOut(Global.LONG_MILLIS);
        info.setLockRetryInterval(20);
        info.setLockRetryTimes(500);
        try {
            new TransactionalTemplate().execute(new TransactionalExecutor() {
                @Override
                public Object execute() throws SQLException {
                    return Schema.run(bank.at(), sql);
                }

                @Override
                public TransactionInfo getTransactionInfo() {
                    return info;
                }
            });
        } catch (Throwable e) {
            throw new AssertionError("a transaction that waits for a lock", e);
        }
    }

    private static void withGlobalLock(Executable work) throws Throwable {
        GlobalLockConfig config = new GlobalLockConfig();
        config.setLockRetryInterval(10);
        config.setLockRetryTimes(5);
        new GlobalLockTemplate().execute(new GlobalLockExecutor() {
            @Override
            public Object execute() throws Throwable {
                work.execute();
                return null;
            }

            @Override
            public GlobalLockConfig getGlobalLockConfig() {
                return config;
            }
        });
    }

    /**
     * The client must say that a lock is the reason, as applications retry on that and on nothing else; and it must
     * say so soon, as the application's own caller waits. The client itself repeats a refused request 30 times.
     */
    private static void assertConflict(Executable work) {
        SQLException refused = assertTimeout(REFUSED_WITHIN, () -> assertThrows(SQLException.class, work));
        assertTrue(refused instanceof LockConflictException || refused instanceof LockWaitTimeoutException,
                "not a lock conflict: " + refused);
    }
}
