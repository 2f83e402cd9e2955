package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.seata.core.model.GlobalStatus;
import io.seata.core.model.TransactionManager;
import io.seata.tm.TransactionManagerHolder;
import java.sql.SQLException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a client is told about a transaction, and that end requests may be repeated. */
@ExtendWith(Conformance.class)
class StatusTest {
    private static final String ADD_ONE = "UPDATE account SET balance = balance + 1 WHERE id = 1";

    private static Schema bank;

    private TransactionManager manager;

    @BeforeAll
    static void createSchema() throws SQLException {
        bank = new Schema("status");
    }

    @BeforeEach
    void fillTables() throws SQLException {
        bank.execute("DELETE FROM account", "INSERT INTO account VALUES (1, 'Alice', 100)");
        // The layer below GlobalTransaction: one request each, and the answer as it came.
        manager = TransactionManagerHolder.get();
    }

    @Test
    void openTransactionIsInBegin() throws Exception {
        Global global = Global.begin();
        assertEquals(GlobalStatus.Begin, global.status());
        global.run(() -> Schema.run(bank.at(), ADD_ONE));
        assertEquals(GlobalStatus.Begin, global.status());
        assertTrue(Conformance.coordinator().liveTransactions().contains(global.xid()));
        global.rollback();
    }

    @Test
    void committedTransactionStaysCommitted() throws Exception {
        Global global = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        global.commit();
        assertTrue(Global.COMMIT.contains(global.status()), "status " + global.status());

        bank.assertNothingLeft();
        Eventually.equal(GlobalStatus.Committed, global::status, "status after phase two");
    }

    @Test
    void rolledBackTransactionStaysRolledBack() throws Exception {
        Global global = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        global.rollback();
        assertTrue(Global.ROLLBACK.contains(global.status()), "status " + global.status());

        bank.assertNothingLeft();
        Eventually.equal(GlobalStatus.Rollbacked, global::status, "status after phase two");
    }

    /** From 1.7 on a client takes Finished as an answer to commit for a failure, so a repeat must not get it. */
    @Test
    void commitMayBeRepeated() throws Exception {
        Global global = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        assertEquals(GlobalStatus.Committed, manager.commit(global.xid()));
        assertEquals(GlobalStatus.Committed, manager.commit(global.xid()), "at once");

        bank.assertNothingLeft();
        assertEquals(GlobalStatus.Committed, manager.commit(global.xid()), "after phase two");
        assertEquals(101, bank.number("SELECT balance FROM account"));
    }

    @Test
    void rollbackMayBeRepeated() throws Exception {
        Global global = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        assertEquals(GlobalStatus.Rollbacked, manager.rollback(global.xid()));
        assertEquals(GlobalStatus.Rollbacked, manager.rollback(global.xid()));
        assertEquals(100, bank.number("SELECT balance FROM account"));
    }

    @Test
    void decisionIsNotReversed() throws Exception {
        Global committed = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        manager.commit(committed.xid());
        assertTrue(Global.COMMIT.contains(manager.rollback(committed.xid())), "rollback after commit");
        assertEquals(101, bank.number("SELECT balance FROM account"));

        Global rolledBack = Global.begin().run(() -> Schema.run(bank.at(), ADD_ONE));
        manager.rollback(rolledBack.xid());
        assertTrue(Global.ROLLBACK.contains(manager.commit(rolledBack.xid())), "commit after rollback");
        assertEquals(101, bank.number("SELECT balance FROM account"));
        bank.assertNothingLeft();
    }

    @Test
    void unknownTransactionIsFinished() throws Exception {
        // Clients route by the address in front, so a stranger has to carry the coordinator's own.
        String stranger = Conformance.coordinator().tcAddress() + ":1";
        assertEquals(GlobalStatus.Finished, manager.getStatus(stranger));
        assertEquals(GlobalStatus.Finished, manager.commit(stranger));
        assertEquals(GlobalStatus.Finished, manager.rollback(stranger));
    }
}
