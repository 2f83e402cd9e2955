package conformance;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Assertions;

/** Waits for what happens behind the client's back: phase two, undo log clean-up, timeouts. */
final class Eventually {
    /** Above every period of the clients and of the coordinator (retry, reconnect 10 s). */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private Eventually() {
    }

    /** Polls until the value is as expected, and fails with the last value seen. */
    static <T> void equal(T expected, Callable<T> actual, String what) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        T last = actual.call();
        while (!Objects.equals(expected, last)) {
            if (System.nanoTime() > deadline) {
                Assertions.assertEquals(expected, last, what + ", still not so after " + PATIENCE.toSeconds() + " s");
            }
            Thread.sleep(50);
            last = actual.call();
        }
    }
}
