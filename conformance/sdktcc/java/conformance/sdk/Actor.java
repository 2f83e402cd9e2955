package conformance.sdk;

import com.zaxxer.hikari.HikariDataSource;
import conformance.TccActions;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.rm.RMClient;
import org.apache.seata.tm.TMClient;
import org.apache.seata.tm.api.GlobalTransaction;
import org.apache.seata.tm.api.GlobalTransactionContext;

/**
 * A service in Java that shares an action with one in Go: whoever is there does phase two of what the other one has
 * tried. It begins and ends transactions, too.
 *
 * <p>Arguments: the coordinator's address, the database's URL. It says "ready" when it can be asked; each line is
 * answered with one: "begin" with the xid, "commit XID" and "rollback XID" with the status, "try XID SKU COUNT" with
 * "done", and all of them with "failed: reason". It ends with its input.
 */
public final class Actor {
    private final Stock stock;

    private Actor(Stock stock) {
        this.stock = stock;
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        System.setProperty("service.default.grouplist", args[0]);
        TMClient.init("stock", "peer");
        RMClient.init("stock", "peer");
        HikariDataSource source = new HikariDataSource();
        source.setJdbcUrl(args[1]);
        source.setUsername("root");
        source.setPassword("");
        source.setMaximumPoolSize(4);
        Generation.fence(source);
        Actor actor = new Actor(TccActions.enlist(Stock.class, new Stock.Shelf(source)));
        answers.println("ready");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            answers.println(actor.answer(line.split(" ")));
        }
        System.exit(0);
    }

    private String answer(String... words) {
        try {
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
        } catch (Exception | Error e) {
            e.printStackTrace();
            return "failed: " + e;
        } finally {
            RootContext.unbind();
        }
    }
}
