package conformance.cluster;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.rm.datasource.DataSourceProxy;

/** A database with accounts that AT transactions move money between. The Go side has made its tables. */
final class Vault {
    private final DataSource source;

    Vault(String address, String name) {
        source = new DataSourceProxy(plain(address, name));
    }

    /** A data source as an application has it without Seata. */
    static DataSource plain(String address, String name) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:mysql://" + address + "/" + name + "?useSSL=false");
        config.setUsername("root");
        config.setPassword("");
        config.setMaximumPoolSize(40);
        config.setMinimumIdle(1);
        return new HikariDataSource(config);
    }

    /**
     * Changes one balance and writes an entry beside it, in one local transaction. Each write of an account counts its
     * number up, and the entry keeps it: if two transactions ever had the row at the same time, and one of them was
     * undone, the numbers of the entries have a gap or a double.
     */
    void book(long entry, long account, long amount) throws SQLException {
        try (Connection connection = source.getConnection()) {
            connection.setAutoCommit(false);
            try {
                update(connection, "UPDATE account SET balance = balance + ?, seq = seq + 1 WHERE id = ?", amount, account);
                long seq = number(connection, "SELECT seq FROM account WHERE id = ?", account);
                try (PreparedStatement insert = connection.prepareStatement(
                        "INSERT INTO entry (id, xid, account, amount, seq) VALUES (?, ?, ?, ?, ?)")) {
                    insert.setLong(1, entry);
                    insert.setString(2, RootContext.getXID());
                    insert.setLong(3, account);
                    insert.setLong(4, amount);
                    insert.setLong(5, seq);
                    insert.executeUpdate();
                }
                connection.commit();
            } catch (SQLException | RuntimeException e) {
                connection.rollback();
                throw e;
            }
        }
    }

    static void update(Connection connection, String sql, long... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setLong(i + 1, parameters[i]);
            }
            if (statement.executeUpdate() != 1) {
                throw new SQLException("not one row: " + sql);
            }
        }
    }

    private static long number(Connection connection, String sql, long parameter) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setLong(1, parameter);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return rows.getLong(1);
            }
        }
    }
}
