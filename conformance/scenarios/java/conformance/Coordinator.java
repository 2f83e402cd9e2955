package conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The program under test, as a process of the operating system: started, killed and started again with the same
 * addresses and the same data. What it knows is asked over its HTTP API, so that a scenario can check the truth
 * behind the answers that the client saw.
 */
final class Coordinator {
    private static final Duration READY_WITHIN = Duration.ofSeconds(30);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(2)).build();
    private final Path log;
    private final Path data;
    private final String tcAddress;
    private final String httpAddress;
    private final Sidecar sidecar;
    private Process process;

    /** Starts a coordinator on free ports. Data and log are in work, which loses what an earlier run left there. */
    Coordinator(Path work) throws IOException, InterruptedException {
        delete(work);
        this.data = Files.createDirectories(work.resolve("data"));
        this.log = work.resolve("coordinator.log");
        try (ServerSocket tc = listen(); ServerSocket api = listen()) {
            tcAddress = "127.0.0.1:" + tc.getLocalPort();
            httpAddress = "127.0.0.1:" + api.getLocalPort();
        }
        sidecar = Sidecar.wanted() ? new Sidecar(work.resolve("tls"), address(), address()) : null;
        if (sidecar != null) {
            sidecar.start(tcAddress, httpAddress);
        }
        start();
        // A run that is interrupted must not leave a process behind.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            process.destroyForcibly();
            if (sidecar != null) {
                sidecar.stop();
            }
        }));
    }

    private static void delete(Path tree) throws IOException {
        if (Files.exists(tree)) {
            try (Stream<Path> files = Files.walk(tree)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    /**
     * Finds a free port below those that the kernel hands out: while the coordinator is down for a moment, no outgoing
     * connection, least of all one of the clients that try to reach it, may be given its port.
     */
    private static ServerSocket listen() throws IOException {
        InetAddress loopback = InetAddress.getByName("127.0.0.1");
        while (true) {
            try {
                return new ServerSocket(ThreadLocalRandom.current().nextInt(10_000, 20_000), 1, loopback);
            } catch (BindException taken) {
                continue;
            }
        }
    }

    private static String address() throws IOException {
        try (ServerSocket free = listen()) {
            return "127.0.0.1:" + free.getLocalPort();
        }
    }

    /** Host and port for Seata clients. */
    String tcAddress() {
        return tcAddress;
    }

    /** Starts the process and returns when it says that it is ready. */
    void start() throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(List.of(Settings.require("CONCORD_BIN"), "serve",
                "--data", data.toString(), "--dev", "--advertise", tcAddress));
        arguments.addAll(sidecar == null
                ? List.of("--tc", tcAddress, "--http", httpAddress)
                : sidecar.arguments());
        ProcessBuilder command = new ProcessBuilder(arguments)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        // Concord reads CONCORD_… as settings, and refuses those of the scenarios as unknown.
        command.environment().keySet().removeIf(name -> name.startsWith("CONCORD_"));
        process = command.start();
        long deadline = System.nanoTime() + READY_WITHIN.toNanos();
        while (!ready()) {
            if (!process.isAlive() || System.nanoTime() > deadline) {
                process.destroyForcibly();
                throw new IOException("the coordinator did not become ready; the end of " + log + ":\n" + tail());
            }
            Thread.sleep(50);
        }
    }

    private boolean ready() throws InterruptedException {
        try {
            return http.send(request("/readyz").build(), HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
        } catch (IOException notListeningYet) {
            return false;
        }
    }

    private String tail() throws IOException {
        List<String> lines = Files.readAllLines(log);
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
    }

    /** Ends the process as kill -9 does: it cannot flush, answer or say goodbye. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** Ends the process in the orderly way. */
    void stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(20, TimeUnit.SECONDS)) {
            kill();
        }
    }

    /** The row locks that are held in a schema, as the API tells them. Each scenario must leave none behind. */
    List<String> locks(Schema schema) {
        List<String> held = new ArrayList<>();
        for (JsonNode lock : get("/api/v1/locks?limit=1000").path("items")) {
            // The resource is the JDBC URL without its query string, so a schema's locks carry its name.
            if (lock.toString().contains("/" + schema.name())) {
                held.add(lock.toString());
            }
        }
        return held;
    }

    /** The transactions that have not ended. */
    List<String> liveTransactions() {
        List<String> xids = new ArrayList<>();
        for (JsonNode transaction : get("/api/v1/transactions?live=true&limit=1000").path("items")) {
            xids.add(transaction.path("xid").asText());
        }
        return xids;
    }

    /** Whether the coordinator says that it cannot end a transaction without help. */
    boolean stuck(String xid) {
        return get("/api/v1/transactions/" + xid).path("stuck").asBoolean();
    }

    /** What an operator does after having removed the reason why a transaction is stuck. */
    void retry(String xid) {
        String transaction = "/api/v1/transactions/" + xid;
        String digest = post(transaction + "/plan", "{\"action\":\"retry\"}").path("digest").asText();
        post(transaction + "/operations",
                "{\"action\":\"retry\",\"reason\":\"mended\",\"digest\":\"" + digest + "\"}");
    }

    /** Asks the API for something. */
    JsonNode get(String path) {
        return ask(request(path).build());
    }

    /** Has the API do something. */
    JsonNode post(String path, String body) {
        return ask(request(path).header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body)).build());
    }

    private JsonNode ask(HttpRequest request) {
        String what = request.method() + " " + request.uri();
        try {
            HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() / 100 != 2) {
                throw new AssertionError(what + ": " + response.statusCode() + " " + response.body());
            }
            return JSON.readTree(response.body());
        } catch (IOException e) {
            throw new AssertionError(what, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(what, e);
        }
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://" + httpAddress + path)).timeout(Duration.ofSeconds(10));
    }
}
