package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.seata.core.context.RootContext;
import io.seata.core.model.GlobalStatus;
import io.seata.tm.api.GlobalTransaction;
import io.seata.tm.api.GlobalTransactionContext;
import io.seata.tm.api.TransactionalExecutor;
import io.seata.tm.api.TransactionalTemplate;
import io.seata.tm.api.transaction.TransactionInfo;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Money moves between accounts of two databases, from many threads, with AT. Each attempt writes an entry beside each
 * balance, so that the end state proves more than an unchanged total: an attempt happened in both databases or in none,
 * and what the client was told is what happened.
 */
@ExtendWith(Conformance.class)
class BankTransferTest {
    private static final int THREADS = 50;
    private static final int ACCOUNTS = 100;
    private static final long OPENING_BALANCE = 1_000;
    /** One transfer in so many is rolled back on purpose, after both databases were changed. */
    private static final int CHANGE_OF_MIND = 10;
    /** How long one transfer is tried again before the scenario fails. */
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private Schema west;
    private Schema east;
    private int timeoutMillis;

    /** What the client believes of an attempt; UNKNOWN if nobody answered its commit. */
    private enum Outcome { COMMITTED, ROLLED_BACK, UNKNOWN }

    /** How an attempt ended, and why if it did not commit. */
    private record Result(Outcome outcome, Throwable reason) { }

    private final Map<Long, Outcome> attempts = new ConcurrentHashMap<>();
    private final Set<String> xids = ConcurrentHashMap.newKeySet();
    private final AtomicLong lastAttempt = new AtomicLong();
    private final ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    private final List<Future<?>> running = new ArrayList<>();

    /** Thrown by a transfer that is to be rolled back. */
    private static final class ChangeOfMind extends Exception {
        private static final long serialVersionUID = 1L;
    }

    @BeforeEach
    void openAccounts() throws SQLException {
        west = new Schema("bank_west");
        east = new Schema("bank_east");
        for (Schema schema : List.of(west, east)) {
            List<String> rows = new ArrayList<>();
            for (int id = 1; id <= ACCOUNTS; id++) {
                rows.add("(" + id + ", 'customer " + id + "', " + OPENING_BALANCE + ")");
            }
            schema.execute("INSERT INTO account VALUES " + String.join(", ", rows));
        }
        timeoutMillis = Global.LONG_MILLIS;
    }

    /** A scenario that failed must not work on beside the next one. */
    @AfterEach
    void stopTransfers() throws InterruptedException {
        threads.shutdownNow();
        assertTrue(threads.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS), "threads have ended");
    }

    @Test
    void totalIsUnchangedUnderConflicts() throws Exception {
        start(1_000, new CountDownLatch(0));
        awaitTransfers();

        assertTransfersEnded();
        west.assertNothingLeft();
        east.assertNothingLeft();
        assertBooksBalance();
    }

    /** The coordinator loses its memory and its connections in the middle, but not what it wrote. */
    @Test
    void totalIsUnchangedAcrossKillAndRestart() throws Exception {
        // Transactions whose client lost track of them end, and free their rows, within the patience of the others.
        timeoutMillis = 20_000;
        CountDownLatch warm = new CountDownLatch(200);
        start(600, warm);
        assertTrue(warm.await(PATIENCE.toSeconds(), TimeUnit.SECONDS), "transfers before the kill");

        Conformance.coordinator().kill();
        Conformance.coordinator().start();
        awaitTransfers();

        assertTransfersEnded();
        west.assertNothingLeftAfterCrash();
        east.assertNothingLeftAfterCrash();
        assertBooksBalance();
    }

    private void start(int transfers, CountDownLatch progress) {
        for (int i = 0; i < transfers; i++) {
            // Seeded by number: a run that fails can be repeated with the same transfers.
            Random random = new Random(i);
            running.add(threads.submit(() -> {
                transfer(random);
                progress.countDown();
                return null;
            }));
        }
    }

    private void awaitTransfers() throws Exception {
        for (Future<?> transfer : running) {
            transfer.get(2 * PATIENCE.toSeconds(), TimeUnit.SECONDS);
        }
    }

    /** Moves money until the client is told that it was moved or, if that was the plan, that it was not. */
    private void transfer(Random random) throws Exception {
        boolean eastward = random.nextBoolean();
        Schema from = eastward ? west : east;
        Schema to = eastward ? east : west;
        long source = 1 + random.nextInt(ACCOUNTS);
        long target = 1 + random.nextInt(ACCOUNTS);
        long amount = 1 + random.nextInt(100);
        boolean changeOfMind = random.nextInt(CHANGE_OF_MIND) == 0;

        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            long attempt = lastAttempt.incrementAndGet();
            Result result = run(() -> {
                book(from, attempt, source, -amount);
                book(to, attempt, target, amount);
                if (changeOfMind) {
                    throw new ChangeOfMind();
                }
            });
            attempts.put(attempt, result.outcome());
            if (result.outcome() != Outcome.ROLLED_BACK || result.reason() instanceof ChangeOfMind) {
                return;
            }
            if (System.nanoTime() > deadline) {
                throw new AssertionError("a transfer was refused for " + PATIENCE.toSeconds() + " s", result.reason());
            }
            Thread.sleep(10 + random.nextInt(100));
        }
    }

    /**
     * Runs work as an application does, with Seata's template. A conflict, and a coordinator that does not answer, end
     * in ROLLED_BACK: commit was not asked for, so it cannot happen.
     */
    private Result run(Global.Work work) {
        TransactionInfo info = new TransactionInfo();
        info.setName("transfer");
        info.setTimeOut(timeoutMillis);
        GlobalTransaction[] transaction = new GlobalTransaction[1];
        try {
            new TransactionalTemplate().execute(new TransactionalExecutor() {
                @Override
                public Object execute() throws Exception {
                    transaction[0] = GlobalTransactionContext.getCurrent();
                    xids.add(RootContext.getXID());
                    work.run();
                    return null;
                }

                @Override
                public TransactionInfo getTransactionInfo() {
                    return info;
                }
            });
            return new Result(told(transaction[0].getLocalStatus()), null);
        } catch (TransactionalExecutor.ExecutionException e) {
            boolean commitAsked = e.getCode() == TransactionalExecutor.Code.CommitFailure;
            Outcome outcome = commitAsked ? told(transaction[0].getLocalStatus()) : Outcome.ROLLED_BACK;
            return new Result(outcome, e.getOriginalException() == null ? e : e.getOriginalException());
        } catch (RuntimeException e) {
            // The client does not wrap what begin throws when there is no connection.
            return new Result(Outcome.ROLLED_BACK, e);
        } catch (Throwable e) {
            throw new AssertionError("the template lets nothing else through", e);
        }
    }

    /** Up to 1.6 a client takes every answer to commit for success, so the scenario reads the answer itself. */
    private static Outcome told(GlobalStatus answer) {
        if (Global.COMMIT.contains(answer)) {
            return Outcome.COMMITTED;
        }
        return Global.ROLLBACK.contains(answer) ? Outcome.ROLLED_BACK : Outcome.UNKNOWN;
    }

    /** Changes one balance, and says so in an entry, in one local transaction. */
    private static void book(Schema schema, long attempt, long account, long amount) throws SQLException {
        try (Connection connection = schema.at().getConnection()) {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.executeUpdate("UPDATE account SET balance = balance + " + amount + " WHERE id = " + account);
                statement.executeUpdate("INSERT INTO entry VALUES (" + attempt + ", " + account + ", " + amount + ")");
                connection.commit();
            } catch (SQLException e) {
                connection.rollback();
                throw e;
            }
        }
    }

    private void assertBooksBalance() throws Exception {
        assertEquals(2 * ACCOUNTS * OPENING_BALANCE, total(west) + total(east), "total");
        for (Schema schema : List.of(west, east)) {
            assertEquals(List.of(), schema.rows("SELECT id, balance FROM account WHERE balance <> " + OPENING_BALANCE
                    + " + (SELECT COALESCE(SUM(amount), 0) FROM entry WHERE entry.account = account.id)"),
                    "accounts whose balance and entries differ in " + schema.name());
        }
        Set<String> inWest = new HashSet<>(west.rows("SELECT id FROM entry"));
        Set<String> inEast = new HashSet<>(east.rows("SELECT id FROM entry"));
        assertEquals(inWest, inEast, "attempts that happened in one database only");
        attempts.forEach((attempt, outcome) -> {
            if (outcome != Outcome.UNKNOWN) {
                assertEquals(outcome == Outcome.COMMITTED, inWest.contains(attempt.toString()),
                        "attempt " + attempt + " happened; the client was told " + outcome);
            }
        });
    }

    private void assertTransfersEnded() throws Exception {
        Eventually.equal(Set.of(), () -> {
            Set<String> live = new HashSet<>(Conformance.coordinator().liveTransactions());
            live.retainAll(xids);
            return live;
        }, "transfers that have not ended");
    }

    private static long total(Schema schema) throws SQLException {
        return schema.number("SELECT SUM(balance) FROM account");
    }
}
