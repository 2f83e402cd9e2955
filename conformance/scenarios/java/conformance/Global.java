package conformance;

import io.seata.core.context.RootContext;
import io.seata.core.exception.TransactionException;
import io.seata.core.model.GlobalStatus;
import io.seata.tm.TransactionManagerHolder;
import io.seata.tm.api.GlobalTransaction;
import io.seata.tm.api.GlobalTransactionContext;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A global transaction that a scenario drives by hand. Seata binds a transaction to the thread that began it; this
 * one is bound only inside {@link #run}, so that one thread can hold several and look at the data in between.
 */
final class Global {
    /** Far beyond the duration of any scenario. */
    static final int LONG_MILLIS = 60_000;

    /** What a client may be told once commit is decided. */
    static final Set<GlobalStatus> COMMIT = EnumSet.of(GlobalStatus.Committing, GlobalStatus.CommitRetrying,
            GlobalStatus.AsyncCommitting, GlobalStatus.Committed);

    /** What a client may be told once rollback is decided, by the application or by the clock. */
    static final Set<GlobalStatus> ROLLBACK = EnumSet.of(GlobalStatus.Rollbacking, GlobalStatus.RollbackRetrying,
            GlobalStatus.TimeoutRollbacking, GlobalStatus.TimeoutRollbackRetrying, GlobalStatus.Rollbacked,
            GlobalStatus.TimeoutRollbacked);

    /** What a scenario began and has not ended. */
    private static final Set<Global> OPEN = ConcurrentHashMap.newKeySet();

    private final GlobalTransaction transaction;

    private Global(GlobalTransaction transaction) {
        this.transaction = transaction;
        OPEN.add(this);
    }

    /** Rolls back what a failed scenario left open, so that its locks cannot fail the next one. */
    static void endAll() throws TransactionException {
        for (Global global : OPEN) {
            global.rollback();
        }
    }

    static Global begin() throws TransactionException {
        return begin(LONG_MILLIS);
    }

    static Global begin(int timeoutMillis) throws TransactionException {
        GlobalTransaction transaction = GlobalTransactionContext.createNew();
        transaction.begin(timeoutMillis, "conformance");
        RootContext.unbind();
        return new Global(transaction);
    }

    /** Work of an application. */
    @FunctionalInterface
    interface Work {
        void run() throws Exception;
    }

    /** Runs work as part of this transaction on the calling thread. */
    Global run(Work work) throws Exception {
        RootContext.bind(xid());
        try {
            work.run();
        } finally {
            RootContext.unbind();
        }
        return this;
    }

    String xid() {
        return transaction.getXid();
    }

    void commit() throws TransactionException {
        OPEN.remove(this);
        transaction.commit();
    }

    void rollback() throws TransactionException {
        OPEN.remove(this);
        transaction.rollback();
    }

    /** What the coordinator says now. */
    GlobalStatus status() throws TransactionException {
        return TransactionManagerHolder.get().getStatus(xid());
    }

    /** What the last commit or rollback was answered. */
    GlobalStatus answer() {
        return transaction.getLocalStatus();
    }
}
