package conformance.sdk;

import conformance.peer.Conversation;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.rm.datasource.DataSourceProxy;

/**
 * A service in Java that shares a database with one in Go. It takes part in transactions that others begin, and does
 * phase two for whoever has gone.
 *
 * <p>Arguments: the coordinator's address, the database's URL. It is ready with the name of its resource; then each line
 * "XID statement; statement; ..." is one local transaction in that global transaction, and is answered with "done".
 */
public final class Peer {
    private final DataSourceProxy source;

    private Peer(DataSourceProxy source) {
        this.source = source;
    }

    public static void main(String[] args) throws Exception {
        Conversation conversation = Conversation.begin("peer", args[0]);
        Peer peer = new Peer(new DataSourceProxy(Conversation.open(args[1])));
        conversation.hold("ready " + peer.source.getResourceId(), peer::answer);
    }

    private String answer(String line) throws SQLException {
        int space = line.indexOf(' ');
        RootContext.bind(line.substring(0, space));
        change(line.substring(space + 1).split("; "));
        return "done";
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
