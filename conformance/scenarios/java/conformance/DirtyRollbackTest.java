package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
    void transactionStaysVisibleAndHoldsItsRow() throws Exception {
        bank.execute("INSERT INTO account VALUES (1, 'Alice', 100)");
        Global global = Global.begin()
                .run(() -> Schema.run(bank.at(), "UPDATE account SET balance = 150 WHERE id = 1"));
        bank.execute("UPDATE account SET balance = 7 WHERE id = 1");

        global.rollback();

        assertEquals(Settings.require("conformance.dirtyRollback"), global.answer().name());
        assertEquals(7, bank.number(READ), "the change of somebody else");
        assertEquals(1, bank.number("SELECT COUNT(*) FROM undo_log"), "undo log, which a repair needs");
        assertEquals(1, Conformance.coordinator().locks(bank).size(), "the row stays locked");
        assertTrue(Conformance.coordinator().liveTransactions().contains(global.xid()));
        assertEquals(Settings.require("conformance.dirtyRollback"), global.status().name());
        Eventually.equal(true, () -> Conformance.coordinator().stuck(global.xid()), "the transaction counts as stuck");
    }
}
