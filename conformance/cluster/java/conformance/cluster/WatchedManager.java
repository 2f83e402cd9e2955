package conformance.cluster;

import org.apache.seata.core.exception.TransactionException;
import org.apache.seata.core.model.GlobalStatus;
import org.apache.seata.core.model.TransactionManager;

/** Seata's transaction manager, with a line in the history for every call. */
final class WatchedManager implements TransactionManager {
    private final TransactionManager real;

    WatchedManager(TransactionManager real) {
        this.real = real;
    }

    @Override
    public String begin(String application, String group, String name, int timeout) throws TransactionException {
        History.Line line = History.line("begin");
        try {
            String xid = real.begin(application, group, name, timeout);
            line.with("xid", xid).with("status", "Begin").answer("ok");
            return xid;
        } catch (TransactionException | RuntimeException e) {
            line.with("detail", String.valueOf(e.getMessage())).answer("unknown");
            throw e;
        }
    }

    @Override
    public GlobalStatus commit(String xid) throws TransactionException {
        return watch("commit", xid, () -> real.commit(xid));
    }

    @Override
    public GlobalStatus rollback(String xid) throws TransactionException {
        return watch("rollback", xid, () -> real.rollback(xid));
    }

    @Override
    public GlobalStatus getStatus(String xid) throws TransactionException {
        return watch("status", xid, () -> real.getStatus(xid));
    }

    @Override
    public GlobalStatus globalReport(String xid, GlobalStatus status) throws TransactionException {
        return real.globalReport(xid, status);
    }

    @FunctionalInterface
    private interface Call {
        GlobalStatus run() throws TransactionException;
    }

    private static GlobalStatus watch(String op, String xid, Call call) throws TransactionException {
        History.Line line = History.line(op).with("xid", xid);
        try {
            GlobalStatus status = call.run();
            line.with("status", status == null ? null : status.name()).answer(status == null ? "unknown" : "ok");
            return status;
        } catch (TransactionException | RuntimeException e) {
            line.with("detail", String.valueOf(e.getMessage())).answer("unknown");
            throw e;
        }
    }
}
