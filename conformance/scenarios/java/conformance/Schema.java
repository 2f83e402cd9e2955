package conformance;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.seata.rm.datasource.DataSourceProxy;
import io.seata.rm.datasource.xa.DataSourceProxyXA;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;

/**
 * A schema of MariaDB with the tables of the scenarios, seen in three ways: plainly, through Seata's AT proxy and
 * through its XA proxy. Each scenario class has its own, hence its own resource at the coordinator: what one leaves
 * behind cannot hide what another does. Its connections stay open until the JVM ends, as phase two may come late.
 */
final class Schema {
    /** Enough for the threads of the bank transfer. */
    private static final int CONNECTIONS_MAX = 60;

    private static final String[] TABLES = {
        // The undo log table of Seata's own script for MySQL.
        "CREATE TABLE undo_log (branch_id BIGINT NOT NULL, xid VARCHAR(128) NOT NULL, context VARCHAR(128) NOT NULL,"
            + " rollback_info LONGBLOB NOT NULL, log_status INT NOT NULL, log_created DATETIME(6) NOT NULL,"
            + " log_modified DATETIME(6) NOT NULL, UNIQUE KEY ux_undo_log (xid, branch_id))",
        "CREATE TABLE account (id BIGINT PRIMARY KEY, owner VARCHAR(64) NOT NULL, balance BIGINT NOT NULL)",
        "CREATE TABLE order_line (order_id BIGINT NOT NULL, line_no INT NOT NULL, item VARCHAR(64), quantity INT,"
            + " PRIMARY KEY (order_id, line_no))",
        "CREATE TABLE entry (id BIGINT PRIMARY KEY, account BIGINT NOT NULL, amount BIGINT NOT NULL)",
    };

    private final String name;
    private final HikariDataSource plain;
    private DataSourceProxy at;
    private DataSourceProxyXA xa;

    /** Creates the schema anew; tables are empty. */
    Schema(String name) throws SQLException {
        this.name = "conformance_" + name;
        try (Connection connection = DriverManager.getConnection(url("mysql", ""), user(), password());
                Statement statement = connection.createStatement()) {
            statement.execute("DROP DATABASE IF EXISTS " + this.name);
            statement.execute("CREATE DATABASE " + this.name + " CHARACTER SET utf8mb4");
        }
        plain = pool("mysql");
        execute(TABLES);
    }

    private HikariDataSource pool(String driver) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(url(driver, name));
        config.setUsername(user());
        config.setPassword(password());
        config.setMaximumPoolSize(CONNECTIONS_MAX);
        config.setMinimumIdle(1);
        return new HikariDataSource(config);
    }

    private static String url(String driver, String schema) {
        return "jdbc:" + driver + "://" + Settings.get("CONCORD_MYSQL_HOST", "127.0.0.1") + ":"
                + Settings.require("CONCORD_MYSQL_PORT") + "/" + schema + "?useSSL=false";
    }

    private static String user() {
        return Settings.get("CONCORD_MYSQL_USER", "root");
    }

    private static String password() {
        return Settings.get("CONCORD_MYSQL_PASSWORD", "");
    }

    String name() {
        return name;
    }

    /** The data source as an application has it without Seata. */
    DataSource plain() {
        return plain;
    }

    /** The data source for AT transactions; the first call registers it as a resource. */
    synchronized DataSource at() {
        if (at == null) {
            at = new DataSourceProxy(plain);
        }
        return at;
    }

    /**
     * The data source for XA transactions; the first call registers it as a resource. It uses MariaDB's own driver: a
     * prepared branch stays with its connection in MariaDB, and the client keeps that connection out of the pool if
     * the driver is MariaDB's. Behind MySQL's driver, a client from 1.7 on takes the server for a MySQL above 8.0.29.
     */
    synchronized DataSource xa() {
        if (xa == null) {
            xa = new DataSourceProxyXA(pool("mariadb"));
        }
        return xa;
    }

    /** Runs statements outside of any global transaction, each committed for itself. */
    void execute(String... statements) throws SQLException {
        for (String sql : statements) {
            run(plain, sql);
        }
    }

    /** Runs one statement on one of the three data sources in a local transaction of its own. */
    static int run(DataSource source, String sql) throws SQLException {
        try (Connection connection = source.getConnection(); Statement statement = connection.createStatement()) {
            return statement.executeUpdate(sql);
        }
    }

    /** The rows of a query as text, one string each, columns separated by a bar. */
    List<String> rows(String query) throws SQLException {
        try (Connection connection = plain.getConnection()) {
            return rows(connection, query);
        }
    }

    static List<String> rows(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet result = statement.executeQuery(query)) {
            List<String> rows = new ArrayList<>();
            int columns = result.getMetaData().getColumnCount();
            while (result.next()) {
                StringBuilder row = new StringBuilder();
                for (int i = 1; i <= columns; i++) {
                    row.append(i == 1 ? "" : "|").append(result.getString(i));
                }
                rows.add(row.toString());
            }
            return rows;
        }
    }

    /** The one number that a query yields. */
    long number(String query) throws SQLException {
        return Long.parseLong(rows(query).get(0));
    }

    /** Waits until no undo log is left here, and no row of this schema is locked at the coordinator. */
    void assertNothingLeft() throws Exception {
        assertNothingLeft("SELECT COUNT(*) FROM undo_log");
    }

    /**
     * The same after a crash of the coordinator. A rollback that comes a second time, or for a branch whose local
     * transaction never came about, finds no undo log; the client then leaves a row with status 1, which keeps a late
     * local transaction out. Such rows hold nothing to undo; Seata removes them after days.
     */
    void assertNothingLeftAfterCrash() throws Exception {
        assertNothingLeft("SELECT COUNT(*) FROM undo_log WHERE log_status <> 1");
    }

    private void assertNothingLeft(String countUndoLogs) throws Exception {
        Eventually.equal(0L, () -> number(countUndoLogs), "rows in the undo log of " + name);
        assertNoLocks();
    }

    /** Waits until no row of this schema is locked at the coordinator. */
    void assertNoLocks() throws Exception {
        Eventually.equal(List.of(), () -> Conformance.coordinator().locks(this), "locks in " + name);
    }
}
