package conformance.cluster;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.core.exception.TransactionException;
import org.apache.seata.core.model.BranchType;
import org.apache.seata.core.model.GlobalStatus;
import org.apache.seata.rm.DefaultResourceManager;
import org.apache.seata.rm.RMClient;
import org.apache.seata.tm.TMClient;
import org.apache.seata.tm.TransactionManagerHolder;
import org.apache.seata.tm.api.GlobalTransaction;
import org.apache.seata.tm.api.GlobalTransactionContext;

/**
 * A bank whose clerks move money between accounts of two databases (AT) and between purses (TCC with fence), while
 * parts of the cluster fail. It finds the cluster through ZooKeeper. It is told what to do by lines on standard input
 * and answers each with one line:
 *
 * <pre>
 * history FILE   goes on with the history in another file
 * run            the clerks work
 * pause          the clerks finish what they have begun; answers when they have, at the latest after two minutes
 * quit
 * </pre>
 *
 * Arguments: address of the banks' database, what the names of its databases begin with, number of clerks, number of
 * accounts, timeout in milliseconds.
 */
public final class Bank {
    private static final int PAUSE_SECONDS_MAX = 120;
    /** One in so many transfers changes its mind, forgets to come to an end, asks again after the end. */
    private static final int CHANGE_OF_MIND = 12;
    private static final int FORGOTTEN = 400;
    private static final int ASKS_AGAIN = 15;
    private static final int FORGOTTEN_TIMEOUT_MILLIS = 3_000;

    private final Vault west;
    private final Vault east;
    private final Purses purses;
    private final int accounts;
    private final int timeoutMillis;
    private final AtomicLong lastEntry = new AtomicLong(System.currentTimeMillis() << 20);
    private final AtomicInteger working = new AtomicInteger();
    private volatile boolean running;

    private Bank(String database, String prefix, int accounts, int timeoutMillis) {
        west = new Vault(database, prefix + "_west");
        east = new Vault(database, prefix + "_east");
        purses = new Purses(database, prefix + "_purse");
        this.accounts = accounts;
        this.timeoutMillis = timeoutMillis;
    }

    public static void main(String[] arguments) throws Exception {
        DefaultResourceManager.get();
        DefaultResourceManager.mockResourceManager(BranchType.AT, new Watch.At());
        DefaultResourceManager.mockResourceManager(BranchType.TCC, new Watch.Tcc());
        TMClient.init("bank-" + Generation.NAME, "bank");
        RMClient.init("bank-" + Generation.NAME, "bank");
        TransactionManagerHolder.set(new WatchedManager(TransactionManagerHolder.get()));
        Bank bank = new Bank(arguments[0], arguments[1], Integer.parseInt(arguments[3]),
                Integer.parseInt(arguments[4]));
        for (int i = 0; i < Integer.parseInt(arguments[2]); i++) {
            Random random = new Random(i);
            Thread clerk = new Thread(() -> bank.work(random), "clerk-" + i);
            clerk.setDaemon(true);
            clerk.start();
        }
        answer("ready");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 2);
            switch (words[0]) {
                case "history" -> History.open(Path.of(words[1]));
                case "run" -> bank.running = true;
                case "pause" -> bank.pause();
                case "quit" -> System.exit(0);
                default -> {
                    answer("what is " + words[0] + "?");
                    continue;
                }
            }
            answer("done " + words[0] + " " + bank.working.get());
        }
        System.exit(0); // who started this one is gone
    }

    private static void answer(String text) {
        System.out.println(text);
        System.out.flush();
    }

    private void pause() throws InterruptedException {
        running = false;
        long deadline = System.nanoTime() + PAUSE_SECONDS_MAX * 1_000_000_000L;
        while (working.get() > 0 && System.nanoTime() < deadline) {
            Thread.sleep(20);
        }
    }

    /** One clerk. */
    private void work(Random random) {
        while (true) {
            working.incrementAndGet();
            boolean moved = false;
            try {
                moved = running && transfer(random);
            } catch (Exception | Error e) {
                System.err.println("a transfer ended with " + e);
            } finally {
                RootContext.unbind();
                working.decrementAndGet();
            }
            rest(moved ? 1 + random.nextInt(5) : 20 + random.nextInt(60));
        }
    }

    private static void rest(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Moves money once, and reports whether the client was told that it was moved. */
    private boolean transfer(Random random) throws Exception {
        boolean forget = random.nextInt(FORGOTTEN) == 0;
        boolean changeOfMind = random.nextInt(CHANGE_OF_MIND) == 0;
        GlobalTransaction global = GlobalTransactionContext.createNew();
        try {
            global.begin(forget ? FORGOTTEN_TIMEOUT_MILLIS : timeoutMillis, "transfer");
        } catch (TransactionException | RuntimeException e) {
            return false;
        }
        boolean worked = false;
        try {
            move(random);
            worked = true;
        } catch (Exception e) {
            // A conflict, or a coordinator that does not answer: what was done is rolled back.
        }
        if (forget) {
            return false;
        }
        end(global, worked && !changeOfMind);
        if (random.nextInt(ASKS_AGAIN) == 0) {
            status(global.getXid());
        }
        return worked && !changeOfMind;
    }

    private void move(Random random) throws Exception {
        long source = 1 + random.nextInt(accounts);
        long target = 1 + random.nextInt(accounts);
        long amount = 1 + random.nextInt(100);
        Vault from = random.nextBoolean() ? west : east;
        Vault to = from == west ? east : west;
        int kind = random.nextInt(10);
        if (kind < 7) {
            from.book(lastEntry.incrementAndGet(), source, -amount);
            to.book(lastEntry.incrementAndGet(), target, amount);
        } else if (kind < 9) {
            purses.take(source, amount);
            purses.give(target, amount);
        } else {
            from.book(lastEntry.incrementAndGet(), source, -amount);
            purses.give(target, amount);
        }
    }

    /** Asks for the end until a client would give up, and then for the status until it tells the outcome. */
    private static void end(GlobalTransaction global, boolean commit) throws InterruptedException {
        try {
            if (commit) {
                global.commit();
            } else {
                global.rollback();
            }
            return;
        } catch (TransactionException | RuntimeException e) {
            // The answer is unknown: it must not stay so.
        }
        for (int i = 0; i < 10; i++) {
            GlobalStatus status = status(global.getXid());
            if (status != null && status != GlobalStatus.Begin && status != GlobalStatus.UnKnown) {
                return;
            }
            Thread.sleep(300);
        }
    }

    private static GlobalStatus status(String xid) {
        try {
            return TransactionManagerHolder.get().getStatus(xid);
        } catch (TransactionException | RuntimeException e) {
            return null;
        }
    }
}
