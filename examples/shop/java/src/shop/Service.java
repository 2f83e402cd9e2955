package shop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import javax.sql.DataSource;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.core.exception.TransactionException;
import org.apache.seata.core.model.GlobalStatus;
import org.apache.seata.rm.RMClient;
import org.apache.seata.rm.datasource.DataSourceProxy;
import org.apache.seata.rm.datasource.xa.DataSourceProxyXA;
import org.apache.seata.tm.TMClient;
import org.apache.seata.tm.api.GlobalTransaction;
import org.apache.seata.tm.api.GlobalTransactionContext;

/**
 * A service of the shop in Java, with Seata's client as it is published. It answers what its counterparts in Go answer:
 * POST /take, GET /book and, as the order service, POST /orders, where it begins and ends the transactions in which the
 * services in Go take part.
 *
 * <p>Arguments: at or xa; order, stock or account; HOST:PORT of the database server; name of the database; and for the
 * order service the base URLs of stock and account. The coordinator's address is the system property
 * service.default.grouplist. It prints "ready URL", and ends when its standard input does.
 */
public final class Service {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int TIMEOUT_MILLIS = 15_000;
    private static final int PRICE = 10;
    /** Of propagation: what Seata's own integrations write and read. */
    private static final String XID = "TX_XID";

    /** That somebody says no. */
    private static final class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    private final String name;
    private final DataSource plain;
    private final DataSource source;
    private final Map<String, String> peers = new HashMap<>();
    private final HttpClient web = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(5)).build();

    private Service(String mode, String name, String address, String database) {
        this.name = name;
        plain = pool("mysql", address, database);
        source = mode.equals("xa") ? new DataSourceProxyXA(pool("mariadb", address, database))
                : new DataSourceProxy(plain);
    }

    private static DataSource pool(String driver, String address, String database) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl("jdbc:" + driver + "://" + address + "/" + database + "?useSSL=false");
        config.setUsername("root");
        config.setPassword("");
        config.setMaximumPoolSize(20);
        config.setMinimumIdle(1);
        return new HikariDataSource(config);
    }

    public static void main(String[] arguments) throws Exception {
        String application = "shop-" + arguments[1];
        TMClient.init(application, "default_tx_group");
        RMClient.init(application, "default_tx_group");
        Service service = new Service(arguments[0], arguments[1], arguments[2], arguments[3]);
        if (arguments.length > 5) {
            service.peers.put("stock", arguments[4]);
            service.peers.put("account", arguments[5]);
        }
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/take", service::take);
        server.createContext("/book", service::book);
        server.createContext("/orders", service::orders);
        server.start();
        System.out.println("ready http://127.0.0.1:" + server.getAddress().getPort());
        System.out.flush();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        while (in.readLine() != null) {
            // nothing is said: only the end counts
        }
        System.exit(0);
    }

    /** Does what one order wants, in the global transaction of the caller. */
    private void take(HttpExchange exchange) throws IOException {
        JsonNode entry = JSON.readTree(exchange.getRequestBody());
        String xid = exchange.getRequestHeaders().getFirst(XID);
        if (xid != null) {
            RootContext.bind(xid);
        }
        try {
            write(entry.get("order").asText(), entry.get("item").asText(), entry.get("amount").asLong());
            answer(exchange, 200, Map.of());
        } catch (Refused e) {
            answer(exchange, 409, Map.of("why", e.getMessage()));
        } catch (SQLException | RuntimeException e) {
            answer(exchange, 500, Map.of("why", String.valueOf(e)));
        } finally {
            RootContext.unbind();
        }
    }

    private void write(String order, String item, long amount) throws SQLException, Refused {
        try (Connection connection = source.getConnection()) {
            connection.setAutoCommit(false);
            try {
                if (!name.equals("order")) {
                    try (PreparedStatement update = connection.prepareStatement(
                            "UPDATE holding SET amount = amount - ? WHERE item = ? AND amount >= ?")) {
                        update.setLong(1, amount);
                        update.setString(2, item);
                        update.setLong(3, amount);
                        if (update.executeUpdate() == 0) {
                            throw new Refused(item + " has no " + amount + " left");
                        }
                    }
                }
                try (PreparedStatement insert = connection.prepareStatement(
                        "INSERT INTO entry (id, item, amount) VALUES (?, ?, ?)")) {
                    insert.setString(1, order);
                    insert.setString(2, item);
                    insert.setLong(3, amount);
                    insert.executeUpdate();
                }
                connection.commit();
            } catch (SQLException | RuntimeException | Refused e) {
                connection.rollback();
                throw e;
            }
        }
    }

    /** Says what is left and what was taken. */
    private void book(HttpExchange exchange) throws IOException {
        Map<String, Long> entries = new HashMap<>();
        long left = 0;
        try (Connection connection = plain.getConnection(); Statement statement = connection.createStatement()) {
            try (ResultSet rows = statement.executeQuery("SELECT COALESCE(SUM(amount), 0) FROM holding")) {
                rows.next();
                left = rows.getLong(1);
            }
            try (ResultSet rows = statement.executeQuery("SELECT id, amount FROM entry")) {
                while (rows.next()) {
                    entries.put(rows.getString(1), rows.getLong(2));
                }
            }
            answer(exchange, 200, Map.of("left", left, "entries", entries));
        } catch (SQLException e) {
            answer(exchange, 500, Map.of("why", String.valueOf(e)));
        }
    }

    /** Carries out an order in a global transaction that begins and ends here. */
    private void orders(HttpExchange exchange) throws IOException {
        JsonNode order = JSON.readTree(exchange.getRequestBody());
        String id = order.get("order").asText();
        long count = order.get("count").asLong();
        GlobalTransaction global = GlobalTransactionContext.createNew();
        try {
            global.begin(TIMEOUT_MILLIS, "order");
        } catch (TransactionException | RuntimeException e) {
            answer(exchange, 503, Map.of("why", String.valueOf(e)));
            return;
        }
        try {
            write(id, order.get("product").asText(), count);
            call("stock", id, order.get("product").asText(), count, false);
            call("account", id, order.get("customer").asText(), count * PRICE, order.path("lose").asBoolean());
        } catch (Exception e) {
            end(exchange, global, false, String.valueOf(e));
            return;
        }
        end(exchange, global, true, "");
    }

    private void end(HttpExchange exchange, GlobalTransaction global, boolean commit, String why) throws IOException {
        String outcome = "unknown";
        try {
            if (commit) {
                global.commit();
            } else {
                global.rollback();
            }
            GlobalStatus status = global.getLocalStatus();
            if (status == GlobalStatus.Committed || status == GlobalStatus.CommitRetrying
                    || status == GlobalStatus.Committing || status == GlobalStatus.AsyncCommitting) {
                outcome = "committed";
            } else if (!commit) {
                outcome = "rolled back";
            }
        } catch (TransactionException | RuntimeException e) {
            why = why + " " + e;
        } finally {
            RootContext.unbind();
        }
        answer(exchange, 200, Map.of("outcome", outcome, "why", why));
    }

    /** Asks another service to take part. */
    private void call(String peer, String id, String item, long amount, boolean lose)
            throws IOException, InterruptedException, Refused {
        String body = JSON.writeValueAsString(Map.of("order", id, "item", item, "amount", amount, "lose", lose));
        HttpRequest request = HttpRequest.newBuilder(URI.create(peers.get(peer) + "/take"))
                .timeout(Duration.ofSeconds(15)).header("Content-Type", "application/json")
                .header(XID, RootContext.getXID()).POST(HttpRequest.BodyPublishers.ofString(body)).build();
        HttpResponse<String> response = web.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new Refused(peer + " says " + response.statusCode() + ": " + response.body());
        }
    }

    private static void answer(HttpExchange exchange, int status, Object value) throws IOException {
        byte[] body = JSON.writeValueAsBytes(value);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
