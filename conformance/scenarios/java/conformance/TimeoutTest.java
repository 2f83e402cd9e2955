package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.seata.core.model.GlobalStatus;
import io.seata.tm.TransactionManagerHolder;
import java.sql.SQLException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A transaction that its application never ends is rolled back when its time is over. */
@ExtendWith(Conformance.class)
class TimeoutTest {
    private static final String ADD_ONE = "UPDATE account SET balance = balance + 1 WHERE id = 1";
    private static final String READ = "SELECT balance FROM account";
    private static final int SHORT_MILLIS = 2_000;

    private static Schema bank;

    @BeforeAll
    static void createSchema() throws SQLException {
        bank = new Schema("timeout");
    }

    @BeforeEach
    void fillTables() throws SQLException {
        bank.execute("DELETE FROM account", "INSERT INTO account VALUES (1, 'Alice', 100)");
    }

    @Test
    void forgottenTransactionIsRolledBack() throws Exception {
        Global global = Global.begin(SHORT_MILLIS).run(() -> Schema.run(bank.at(), ADD_ONE));
        assertEquals(101, bank.number(READ));

        Eventually.equal(100L, () -> bank.number(READ), "the row");
        bank.assertNothingLeft();
        // Past the client's own clock check: this is the coordinator's answer to a commit that comes too late.
        GlobalStatus late = TransactionManagerHolder.get().commit(global.xid());
        assertTrue(Global.ROLLBACK.contains(late), "answer to a late commit: " + late);
        assertEquals(100, bank.number(READ));
    }

    /** The timeout holds from its first millisecond, whether or not the coordinator has looked since. */
    @Test
    void commitJustAfterTheTimeoutIsTooLate() throws Exception {
        Global global = Global.begin(SHORT_MILLIS).run(() -> Schema.run(bank.at(), ADD_ONE));
        Thread.sleep(SHORT_MILLIS + 50);

        GlobalStatus late = TransactionManagerHolder.get().commit(global.xid());
        assertTrue(Global.ROLLBACK.contains(late), "answer to a late commit: " + late);
        Eventually.equal(100L, () -> bank.number(READ), "the row");
        bank.assertNothingLeft();
    }

    @Test
    void branchCannotJoinAfterTheTimeout() throws Exception {
        Global global = Global.begin(SHORT_MILLIS).run(() -> Schema.run(bank.at(), ADD_ONE));
        Eventually.equal(100L, () -> bank.number(READ), "the row");

        assertThrows(SQLException.class,
                () -> global.run(() -> Schema.run(bank.at(), ADD_ONE)));
        assertEquals(100, bank.number(READ));
        bank.assertNothingLeft();
    }
}
