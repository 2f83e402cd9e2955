package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.seata.core.model.GlobalStatus;
import java.sql.SQLException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * AT: somebody changed a row past the global lock before it could be undone. The client refuses to overwrite the
 * change; the transaction must neither vanish nor count as rolled back.
 */
@ExtendWith(Conformance.class)
class DirtyRollbackTest {
    private static final String READ = "SELECT balance FROM account WHERE id = 1";

    private static Schema bank;

    @BeforeAll
    static void createSchema() throws SQLException {
        bank = new Schema("dirty");
    }

    @Test
    void transactionStaysVisibleUntilTheRowIsRepaired() throws Exception {
        GlobalStatus expected = GlobalStatus.valueOf(Settings.require("conformance.dirtyRollback"));
        bank.execute("INSERT INTO account VALUES (1, 'Alice', 100)");
        Global global = Global.begin()
                .run(() -> Schema.run(bank.at(), "UPDATE account SET balance = 150 WHERE id = 1"));
        bank.execute("UPDATE account SET balance = 7 WHERE id = 1");

        global.rollback();

        assertEquals(expected, global.answer());
        assertEquals(expected, global.status());
        assertEquals(7, bank.number(READ), "the change of somebody else");
        assertEquals(1, bank.number("SELECT COUNT(*) FROM undo_log"), "undo log, which a repair needs");
        assertEquals(1, Conformance.coordinator().locks(bank).size(), "the row stays locked");
        assertTrue(Conformance.coordinator().liveTransactions().contains(global.xid()));

        if (expected == GlobalStatus.RollbackFailed) {
            // The client said that trying again is of no use, so the coordinator waits for somebody.
            assertTrue(Conformance.coordinator().stuck(global.xid()), "the transaction counts as stuck");
            bank.execute("UPDATE account SET balance = 150 WHERE id = 1");
            Conformance.coordinator().retry(global.xid());
        } else {
            // The client said that trying again may help, so the coordinator goes on trying.
            bank.execute("UPDATE account SET balance = 150 WHERE id = 1");
        }

        Eventually.equal(GlobalStatus.Rollbacked, global::status, "status after the repair");
        assertEquals(100, bank.number(READ));
        bank.assertNothingLeft();
    }
}
