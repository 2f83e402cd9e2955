package conformance;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Seata's clients speak no TLS. With CONCORD_TLS_SIDECAR, the path of .ci/parts/stunnel.sh, the coordinator speaks
 * nothing else, and what connects to it here goes through a stunnel beside the clients, which shows their certificate.
 */
final class Sidecar {
    private final String script = Settings.require("CONCORD_TLS_SIDECAR");
    private final Path work;
    private final String tcInside;
    private final String httpInside;

    /** Whether there shall be one. */
    static boolean wanted() {
        return !Settings.get("CONCORD_TLS_SIDECAR", "").isEmpty();
    }

    /** Makes the certificates for a coordinator at two addresses. */
    Sidecar(Path work, String tcInside, String httpInside) throws IOException, InterruptedException {
        this.work = Files.createDirectories(work).toAbsolutePath();
        this.tcInside = tcInside;
        this.httpInside = httpInside;
        run("certs", this.work.toString());
    }

    /** Takes connections at two addresses and makes them to the coordinator. */
    void start(String tcAddress, String httpAddress) throws IOException, InterruptedException {
        run("start", work.toString(), tcAddress, tcInside, httpAddress, httpInside);
    }

    /** The coordinator's addresses, and its side of TLS. */
    List<String> arguments() {
        return List.of("--tc", tcInside, "--http", httpInside, "--tls-seata", "require",
                "--tls-cert", work.resolve("server.pem").toString(), "--tls-key", work.resolve("server.key").toString(),
                "--tls-client-ca", work.resolve("authority.pem").toString());
    }

    /** Ends it. */
    void stop() {
        try {
            run("stop", work.toString());
        } catch (IOException e) {
            e.printStackTrace();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void run(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(script));
        command.addAll(Arrays.asList(arguments));
        Path output = work.resolve("script.log");
        int code = new ProcessBuilder(command).redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(output.toFile())).start().waitFor();
        if (code != 0) {
            throw new IOException(command + " ended with " + code + ":\n" + Files.readString(output));
        }
    }
}
