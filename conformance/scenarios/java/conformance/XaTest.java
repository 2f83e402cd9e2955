package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.seata.core.model.GlobalStatus;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** XA: the database prepares, the coordinator decides. */
@ExtendWith(Conformance.class)
class XaTest {
    private static final String TAKE = "UPDATE account SET balance = balance - 10 WHERE id = 1";
    private static final String GIVE = "UPDATE account SET balance = balance + 10 WHERE id = 1";
    private static final String READ = "SELECT balance FROM account WHERE id = 1";

    private static Schema orders;
    private static Schema stock;

    @BeforeAll
    static void createSchemas() throws SQLException {
        orders = new Schema("xa_orders");
        stock = new Schema("xa_stock");
    }

    @BeforeEach
    void fillTables() throws SQLException {
        for (Schema schema : List.of(orders, stock)) {
            schema.execute("DELETE FROM account", "INSERT INTO account VALUES (1, 'Alice', 100)");
        }
    }

    @Test
    void commitMakesBothDatabasesVisible() throws Exception {
        Global global = Global.begin().run(XaTest::transfer);
        assertEquals(100, orders.number(READ), "prepared only");
        assertEquals(100, stock.number(READ), "prepared only");
        global.commit();

        assertEquals(GlobalStatus.Committed, global.answer());
        assertEquals(90, orders.number(READ));
        assertEquals(110, stock.number(READ));
        assertNothingPrepared();
    }

    @Test
    void rollbackLeavesBothDatabasesAsTheyWere() throws Exception {
        Global global = Global.begin().run(XaTest::transfer);
        global.rollback();

        assertEquals(GlobalStatus.Rollbacked, global.answer());
        assertEquals(100, orders.number(READ));
        assertEquals(100, stock.number(READ));
        assertNothingPrepared();
    }

    @Test
    void statementWithAutocommitIsABranch() throws Exception {
        Global committed = Global.begin().run(() -> Schema.run(orders.xa(), TAKE));
        committed.commit();
        assertEquals(90, orders.number(READ));

        Global rolledBack = Global.begin().run(() -> Schema.run(orders.xa(), TAKE));
        rolledBack.rollback();
        assertEquals(90, orders.number(READ));
        assertNothingPrepared();
    }

    @Test
    void timeoutRollsThePreparedBranchBack() throws Exception {
        Global global = Global.begin(2_000).run(XaTest::transfer);
        Eventually.equal(true, () -> !Conformance.coordinator().liveTransactions().contains(global.xid()),
                "the transaction has ended");
        assertEquals(100, orders.number(READ));
        assertEquals(100, stock.number(READ));
        assertNothingPrepared();
    }

    private static void transfer() throws SQLException {
        inLocalTransaction(orders, TAKE);
        inLocalTransaction(stock, GIVE);
    }

    private static void inLocalTransaction(Schema schema, String sql) throws SQLException {
        try (Connection connection = schema.xa().getConnection()) {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.executeUpdate(sql);
            }
            connection.commit();
        }
    }

    /** A branch that stayed prepared would hold its row locks until somebody ends it by hand. */
    private static void assertNothingPrepared() throws Exception {
        Eventually.equal(List.of(), () -> orders.rows("XA RECOVER"), "prepared branches");
    }
}
