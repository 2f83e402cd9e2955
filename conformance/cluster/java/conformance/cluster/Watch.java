package conformance.cluster;

import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.seata.core.exception.TransactionException;
import org.apache.seata.core.exception.TransactionExceptionCode;
import org.apache.seata.core.model.BranchStatus;
import org.apache.seata.core.model.BranchType;
import org.apache.seata.rm.datasource.DataSourceManager;
import org.apache.seata.rm.tcc.TCCResourceManager;

/** Seata's resource managers, with a line in the history for every branch and every command of phase two. */
final class Watch {
    private static final Pattern HOLDER = Pattern.compile("locked by (\\S+:\\d+)");
    /** With these the coordinator says that it has changed nothing. */
    private static final Set<TransactionExceptionCode> REFUSED = Set.of(
            TransactionExceptionCode.GlobalTransactionNotExist, TransactionExceptionCode.GlobalTransactionNotActive,
            TransactionExceptionCode.GlobalTransactionStatusInvalid);

    private Watch() {
    }

    /** The manager of AT data sources. */
    static final class At extends DataSourceManager {
        @Override
        public Long branchRegister(BranchType type, String resource, String client, String xid, String data,
                String lockKeys) throws TransactionException {
            return register(type, resource, xid, lockKeys,
                    () -> super.branchRegister(type, resource, client, xid, data, lockKeys));
        }

        @Override
        public BranchStatus branchCommit(BranchType type, String xid, long branch, String resource, String data)
                throws TransactionException {
            return attempt("commit", type, xid, branch, resource,
                    () -> super.branchCommit(type, xid, branch, resource, data));
        }

        @Override
        public BranchStatus branchRollback(BranchType type, String xid, long branch, String resource, String data)
                throws TransactionException {
            return attempt("rollback", type, xid, branch, resource,
                    () -> super.branchRollback(type, xid, branch, resource, data));
        }
    }

    /** The manager of TCC actions. */
    static final class Tcc extends TCCResourceManager {
        @Override
        public Long branchRegister(BranchType type, String resource, String client, String xid, String data,
                String lockKeys) throws TransactionException {
            return register(type, resource, xid, lockKeys,
                    () -> super.branchRegister(type, resource, client, xid, data, lockKeys));
        }

        @Override
        public BranchStatus branchCommit(BranchType type, String xid, long branch, String resource, String data)
                throws TransactionException {
            return attempt("commit", type, xid, branch, resource,
                    () -> super.branchCommit(type, xid, branch, resource, data));
        }

        @Override
        public BranchStatus branchRollback(BranchType type, String xid, long branch, String resource, String data)
                throws TransactionException {
            return attempt("rollback", type, xid, branch, resource,
                    () -> super.branchRollback(type, xid, branch, resource, data));
        }
    }

    @FunctionalInterface
    private interface Call<T> {
        T run() throws TransactionException;
    }

    private static Long register(BranchType type, String resource, String xid, String lockKeys, Call<Long> call)
            throws TransactionException {
        History.Line line = History.line("register").with("xid", xid).with("kind", type.name())
                .with("resource", resource).with("lockKey", lockKeys);
        try {
            Long branch = call.run();
            line.with("branch", branch).answer("ok");
            return branch;
        } catch (TransactionException e) {
            line.with("detail", String.valueOf(e.getMessage())).with("holder", holder(e)).answer(answerOf(e));
            throw e;
        } catch (RuntimeException e) {
            line.with("detail", String.valueOf(e.getMessage())).answer("unknown");
            throw e;
        }
    }

    private static String holder(TransactionException e) {
        Matcher found = HOLDER.matcher(String.valueOf(e.getMessage()));
        return found.find() ? found.group(1) : null;
    }

    private static String answerOf(TransactionException e) {
        TransactionExceptionCode code = e.getCode();
        if (code == TransactionExceptionCode.LockKeyConflict
                || code == TransactionExceptionCode.LockKeyConflictFailFast) {
            return "locked";
        }
        return code != null && REFUSED.contains(code) ? "refused" : "unknown";
    }

    private static BranchStatus attempt(String action, BranchType type, String xid, long branch, String resource,
            Call<BranchStatus> call) throws TransactionException {
        History.Line line = History.line("attempt").with("xid", xid).with("branch", branch).with("kind", type.name())
                .with("resource", resource).with("action", action);
        try {
            BranchStatus status = call.run();
            boolean done = status == BranchStatus.PhaseTwo_Committed || status == BranchStatus.PhaseTwo_Rollbacked;
            line.with("detail", String.valueOf(status)).answer(done ? "ok" : "refused");
            return status;
        } catch (TransactionException | RuntimeException e) {
            line.with("detail", String.valueOf(e.getMessage())).answer("refused");
            throw e;
        }
    }
}
