package conformance.cluster;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * What this process was told by coordinators, and what it was told to do, as lines of JSON for `concord audit`. A line
 * is in the file before the call that it tells of returns to the application.
 */
final class History {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CLIENT = "seata-" + Generation.NAME + "/" + ProcessHandle.current().pid();
    /** The clock of this process: the machine's at the start, then monotone. */
    private static final long START_MICROS = System.currentTimeMillis() * 1_000;
    private static final long START_NANOS = System.nanoTime();

    private static BufferedWriter out;

    private History() {
    }

    /** Goes on in another file. */
    static synchronized void open(Path file) throws IOException {
        if (out != null) {
            out.close();
        }
        out = Files.newBufferedWriter(file, StandardCharsets.UTF_8, StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
    }

    /** Microseconds of this process's clock. */
    static long now() {
        return START_MICROS + (System.nanoTime() - START_NANOS) / 1_000;
    }

    /** A line that is begun before a call and written after it. */
    static Line line(String op) {
        return new Line(op);
    }

    /** One line. */
    static final class Line {
        private final ObjectNode node = JSON.createObjectNode();

        private Line(String op) {
            node.put("client", CLIENT).put("thread", Thread.currentThread().getName()).put("op", op)
                    .put("asked", now());
        }

        /** Sets a field unless it is null. */
        Line with(String field, Object value) {
            if (value != null) {
                node.putPOJO(field, value);
            }
            return this;
        }

        /** Ends the line with how the call ended, and writes it. */
        void answer(String answer) {
            node.put("answered", now()).put("answer", answer);
            synchronized (History.class) {
                try {
                    out.write(JSON.writeValueAsString(node));
                    out.write('\n');
                    out.flush();
                } catch (IOException e) {
                    throw new IllegalStateException("a history with a gap proves nothing", e);
                }
            }
        }
    }
}
