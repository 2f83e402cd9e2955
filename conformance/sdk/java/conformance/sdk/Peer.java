package conformance.sdk;

import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.rm.RMClient;
import org.apache.seata.rm.datasource.DataSourceProxy;
import org.apache.seata.tm.TMClient;

/**
 * A service in Java that shares a database with one in Go. It takes part in transactions that others begin, and does
 * phase two for whoever has gone.
 *
 * <p>Arguments: the coordinator's address, the database's URL. It says "ready" when it can be asked; then each line
 * "XID statement; statement; ..." is one local transaction in that global transaction, and is answered with "done" or
 * "failed: reason". It ends with its input.
 */
public final class Peer {
    private final DataSourceProxy source;

    private Peer(DataSourceProxy source) {
        this.source = source;
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        System.setProperty("service.default.grouplist", args[0]);
        TMClient.init("peer", "peer");
        RMClient.init("peer", "peer");
        HikariDataSource plain = new HikariDataSource();
        plain.setJdbcUrl(args[1]);
        plain.setUsername("root");
        plain.setPassword("");
        plain.setMaximumPoolSize(4);
        Peer peer = new Peer(new DataSourceProxy(plain));
        answers.println("ready " + peer.source.getResourceId());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            answers.println(peer.answer(line));
        }
        System.exit(0);
    }

    private String answer(String line) {
        int space = line.indexOf(' ');
        RootContext.bind(line.substring(0, space));
        try {
            change(line.substring(space + 1).split("; "));
            return "done";
        } catch (SQLException | RuntimeException e) {
            e.printStackTrace();
            return "failed: " + e;
        } finally {
            RootContext.unbind();
        }
    }

    private void change(String... statements) throws SQLException {
        try (Connection connection = source.getConnection()) {
            connection.setAutoCommit(false);
            for (String sql : statements) {
                // Seata asks for the keys, and takes ON DUPLICATE KEY UPDATE only from prepared statements.
                try (PreparedStatement statement =
                        connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
                    statement.executeUpdate();
                }
            }
            connection.commit();
        }
    }
}
