package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import io.seata.core.context.RootContext;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A service without Seata begins a transaction over HTTP, with a participant that is called by HTTP and a message; a
 * service with Seata's client joins it by its xid, with rows of its database. They commit and roll back as one.
 */
@ExtendWith(Conformance.class)
class HttpTest {
    private static final String API = "/api/v1/transactions";
    private static final String TOPIC = "conformance-stock";

    private static Schema bank;

    /** What the participant was asked, as "operation xid body". */
    private final List<String> calls = new CopyOnWriteArrayList<>();
    private HttpServer participant;
    private volatile int refusals;

    @BeforeAll
    static void createSchema() throws SQLException {
        bank = new Schema("http");
    }

    @BeforeEach
    void start() throws Exception {
        bank.execute("DELETE FROM account", "INSERT INTO account VALUES (1, 'Alice', 100)");
        participant = HttpServer.create(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 0);
        participant.createContext("/", exchange -> {
            String xid = exchange.getRequestHeaders().getFirst("Concord-Xid");
            String query = URLDecoder.decode(exchange.getRequestURI().getRawQuery(), StandardCharsets.UTF_8);
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            boolean busy = refusals-- > 0;
            if (!busy && query.contains("concord-xid=" + xid)) {
                calls.add(exchange.getRequestURI().getPath() + " " + xid + " " + body);
            }
            exchange.sendResponseHeaders(busy ? 503 : 200, -1);
            exchange.close();
        });
        participant.start();
    }

    @AfterEach
    void stop() {
        participant.stop(0);
    }

    @AfterAll
    static void assertNothingLeft() throws Exception {
        bank.assertNothingLeft();
    }

    /** Begins over HTTP and joins with Seata's client. */
    private String begin() throws Exception {
        String url = "http://127.0.0.1:" + participant.getAddress().getPort();
        String xid = Conformance.coordinator().post(API, "{\"application\":\"shop\",\"name\":\"buy\",\"branches\":["
                + "{\"kind\":\"tcc\",\"confirmUrl\":\"" + url + "/confirm\",\"cancelUrl\":\"" + url + "/cancel\","
                + "\"payload\":{\"order\":1},\"retry\":{\"firstMs\":100}},"
                + "{\"kind\":\"topic\",\"topic\":\"" + TOPIC + "\",\"payload\":{\"order\":1}}]}").path("xid").asText();
        RootContext.bind(xid);
        try {
            Schema.run(bank.at(), "UPDATE account SET balance = balance - 30 WHERE id = 1");
        } finally {
            RootContext.unbind();
        }
        JsonNode transaction = Conformance.coordinator().get(API + "/" + xid);
        assertEquals(List.of("HTTP_TCC", "TOPIC", "AT"), transaction.findValuesAsText("kind"));
        assertEquals(1, Conformance.coordinator().locks(bank).size(), "rows that the AT branch has locked");
        assertEquals(List.of(), calls, "before the decision");
        return xid;
    }

    private static long messages(String xid) {
        String events = "/api/v1/events?limit=1000&topics=" + TOPIC;
        long found = 0;
        for (JsonNode event : Conformance.coordinator().get(events).path("items")) {
            found += event.toString().contains(xid) ? 1 : 0;
        }
        return found;
    }

    private void assertEnded(String xid, String status, String operation, long balance, long messages) throws Exception {
        Eventually.equal(status, () -> Conformance.coordinator().get(API + "/" + xid).path("status").asText(), "status");
        assertEquals(List.of("/" + operation + " " + xid + " {\"order\":1}"), calls);
        assertEquals(balance, bank.number("SELECT balance FROM account"));
        Eventually.equal(messages, () -> messages(xid), "messages on " + TOPIC);
        bank.assertNoLocks();
    }

    @Test
    void commitsAsOne() throws Exception {
        String xid = begin();
        Conformance.coordinator().post(API + "/" + xid + "/commit", "{}");
        assertEnded(xid, "Committed", "confirm", 70, 1);
    }

    @Test
    void rollsBackAsOne() throws Exception {
        String xid = begin();
        Conformance.coordinator().post(API + "/" + xid + "/rollback", "{}");
        assertEnded(xid, "RolledBack", "cancel", 100, 0);
    }

    /** The decision stands while one of the three cannot follow, and the others need not wait for it. */
    @Test
    void oneThatFailsIsAskedAgain() throws Exception {
        refusals = 2;
        String xid = begin();
        Conformance.coordinator().post(API + "/" + xid + "/commit", "{\"waitMs\":0}");
        assertEnded(xid, "Committed", "confirm", 70, 1);
    }

    /** A service without Seata ends what a service with Seata's client has begun. */
    @Test
    void whatSeataBeganEndsOverHttp() throws Exception {
        Global global = Global.begin().run(
                () -> Schema.run(bank.at(), "UPDATE account SET balance = balance - 30 WHERE id = 1"));
        Conformance.coordinator().post(API + "/" + global.xid() + "/rollback", "{}");
        assertEquals(100, bank.number("SELECT balance FROM account"));
        global.rollback(); // says the same
    }
}
