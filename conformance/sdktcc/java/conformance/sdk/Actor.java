package conformance.sdk;

import com.zaxxer.hikari.HikariDataSource;
import conformance.TccActions;
import conformance.peer.Conversation;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.tm.api.GlobalTransaction;
import org.apache.seata.tm.api.GlobalTransactionContext;

/**
 * A service in Java that shares an action with one in Go: whoever is there does phase two of what the other one has
 * tried. It begins and ends transactions, too.
 *
 * <p>Arguments: the coordinator's address, the database's URL. It answers "begin" with the xid, "commit XID" and
 * "rollback XID" with the status, "try XID SKU COUNT" with "done".
 */
public final class Actor {
    private final Stock stock;

    private Actor(Stock stock) {
        this.stock = stock;
    }

    public static void main(String[] args) throws Exception {
        Conversation conversation = Conversation.begin("stock", args[0]);
        HikariDataSource source = Conversation.open(args[1]);
        Generation.fence(source);
        Actor actor = new Actor(TccActions.enlist(Stock.class, new Stock.Shelf(source)));
        conversation.hold("ready", line -> actor.answer(line.split(" ")));
    }

    private String answer(String... words) throws Exception {
        switch (words[0]) {
            case "begin":
                GlobalTransaction begun = GlobalTransactionContext.createNew();
                begun.begin(60_000, "java");
                return begun.getXid();
            case "commit":
                GlobalTransaction committed = GlobalTransactionContext.reload(words[1]);
                committed.commit();
                return committed.getLocalStatus().toString();
            case "rollback":
                GlobalTransaction rolledBack = GlobalTransactionContext.reload(words[1]);
                rolledBack.rollback();
                return rolledBack.getLocalStatus().toString();
            default:
                RootContext.bind(words[1]);
                stock.reserve(null, Long.parseLong(words[2]), Integer.parseInt(words[3]));
                return "done";
        }
    }
}
