package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** AT: statements of an application are committed and undone without its help. */
@ExtendWith(Conformance.class)
class AtTest {
    private static Schema orders;
    private static Schema stock;

    /** The statements that an AT transaction has to be able to undo. */
    enum Change {
        INSERT("INSERT INTO account VALUES (10, 'Grace', 5)"),
        INSERT_SEVERAL_ROWS("INSERT INTO account VALUES (10, 'Grace', 5), (11, 'Heidi', 6)"),
        UPDATE("UPDATE account SET balance = balance + 1, owner = 'Ämilie 张' WHERE id = 1"),
        UPDATE_SEVERAL_ROWS("UPDATE account SET balance = balance * 2 WHERE id < 3"),
        UPDATE_NO_ROW("UPDATE account SET balance = 0 WHERE id = 99"),
        DELETE("DELETE FROM account WHERE id = 2"),
        DELETE_SEVERAL_ROWS("DELETE FROM account WHERE balance >= 100"),
        SEVERAL_STATEMENTS("INSERT INTO account VALUES (10, 'Grace', 5)",
            "UPDATE account SET balance = 6 WHERE id = 10", "DELETE FROM account WHERE id = 1"),
        COMPOSITE_KEY_INSERT("INSERT INTO order_line VALUES (2, 1, 'pen', 4)"),
        COMPOSITE_KEY_UPDATE("UPDATE order_line SET quantity = quantity + 1 WHERE order_id = 1"),
        COMPOSITE_KEY_DELETE("DELETE FROM order_line WHERE order_id = 1 AND line_no = 2"),
        TWO_TABLES("UPDATE account SET balance = 0 WHERE id = 3", "DELETE FROM order_line WHERE order_id = 1");

        private final String[] statements;

        Change(String... statements) {
            this.statements = statements;
        }

        /** Applies the change in one local transaction. */
        void apply(Connection connection) throws SQLException {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                for (String sql : statements) {
                    statement.executeUpdate(sql);
                }
            }
        }
    }

    @BeforeAll
    static void createSchemas() throws SQLException {
        orders = new Schema("at_orders");
        stock = new Schema("at_stock");
    }

    @BeforeEach
    void fillTables() throws SQLException {
        for (Schema schema : List.of(orders, stock)) {
            schema.execute("DELETE FROM account", "DELETE FROM order_line",
                    "INSERT INTO account VALUES (1, 'Alice', 100), (2, 'Bob', 200), (3, 'Carol', 0)",
                    "INSERT INTO order_line VALUES (1, 1, 'ink', 2), (1, 2, 'paper', 500)");
        }
    }

    /** Once for all: clients remove the undo logs of committed branches once a second, behind everybody's back. */
    @AfterAll
    static void assertNothingLeft() throws Exception {
        orders.assertNothingLeft();
        stock.assertNothingLeft();
    }

    @ParameterizedTest
    @EnumSource(Change.class)
    void commitKeepsTheChange(Change change) throws Exception {
        List<String> expected = withoutSeata(change);

        Global global = Global.begin().run(() -> applyAndCommit(orders, change));
        global.commit();

        assertTrue(Global.COMMIT.contains(global.answer()), "answer " + global.answer());
        assertEquals(expected, contents(orders));
        assertNoLocks();
    }

    @ParameterizedTest
    @EnumSource(Change.class)
    void rollbackRestoresTheRows(Change change) throws Exception {
        List<String> before = contents(orders);

        Global global = Global.begin().run(() -> applyAndCommit(orders, change));
        assertEquals(change == Change.UPDATE_NO_ROW, contents(orders).equals(before), "phase one is committed locally");
        global.rollback();

        assertTrue(Global.ROLLBACK.contains(global.answer()), "answer " + global.answer());
        Eventually.equal(before, () -> contents(orders), "rows after rollback");
        assertNoLocks();
    }

    @Test
    void commitSpansTwoDatabases() throws Exception {
        List<String> before = contents(orders);

        Global global = Global.begin().run(() -> {
            applyAndCommit(orders, Change.UPDATE);
            applyAndCommit(stock, Change.UPDATE);
        });
        global.commit();

        assertNotEquals(before, contents(orders));
        assertEquals(contents(orders), contents(stock));
        assertNoLocks();
    }

    @Test
    void rollbackSpansTwoDatabases() throws Exception {
        List<String> before = contents(orders);

        Global global = Global.begin().run(() -> {
            applyAndCommit(orders, Change.UPDATE);
            applyAndCommit(stock, Change.DELETE);
        });
        global.rollback();

        Eventually.equal(before, () -> contents(orders), "rows of the first database");
        Eventually.equal(before, () -> contents(stock), "rows of the second database");
        assertNoLocks();
    }

    /** Several branches changed one row: only the reverse order of registration leads back to its first value. */
    @Test
    void rollbackUndoesBranchesInReverse() throws Exception {
        List<String> before = contents(orders);

        Global global = Global.begin().run(() -> {
            for (int i = 1; i <= 5; i++) {
                Schema.run(orders.at(), "UPDATE account SET balance = balance * 10 + " + i + " WHERE id = 1");
            }
        });
        assertEquals(10_012_345, orders.number("SELECT balance FROM account WHERE id = 1"));
        global.rollback();

        Eventually.equal(before, () -> contents(orders), "rows after rollback");
        assertNoLocks();
    }

    @Test
    void transactionWithoutBranchesEndsBothWays() throws Exception {
        Global committed = Global.begin();
        committed.commit();
        assertTrue(Global.COMMIT.contains(committed.answer()), "answer " + committed.answer());

        Global rolledBack = Global.begin();
        rolledBack.rollback();
        assertTrue(Global.ROLLBACK.contains(rolledBack.answer()), "answer " + rolledBack.answer());
    }

    private static void applyAndCommit(Schema schema, Change change) throws SQLException {
        try (Connection connection = schema.at().getConnection()) {
            change.apply(connection);
            connection.commit();
        }
    }

    /** The contents that the change leads to when Seata is not involved: the oracle for a committed transaction. */
    private static List<String> withoutSeata(Change change) throws SQLException {
        try (Connection connection = orders.plain().getConnection()) {
            change.apply(connection);
            List<String> rows = contents(connection);
            connection.rollback();
            return rows;
        }
    }

    private static List<String> contents(Schema schema) throws SQLException {
        try (Connection connection = schema.plain().getConnection()) {
            return contents(connection);
        }
    }

    private static List<String> contents(Connection connection) throws SQLException {
        List<String> rows = Schema.rows(connection, "SELECT * FROM account ORDER BY id");
        rows.addAll(Schema.rows(connection, "SELECT * FROM order_line ORDER BY order_id, line_no"));
        return rows;
    }

    private static void assertNoLocks() throws Exception {
        orders.assertNoLocks();
        stock.assertNoLocks();
    }
}
