package conformance.cluster;

import conformance.TccActions;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import javax.sql.DataSource;
import org.apache.seata.rm.tcc.api.BusinessActionContext;
import org.apache.seata.rm.tcc.api.BusinessActionContextParameter;
import org.apache.seata.rm.tcc.api.LocalTCC;
import org.apache.seata.rm.tcc.api.TwoPhaseBusinessAction;
import org.springframework.jdbc.datasource.DataSourceUtils;

/**
 * Money in purses, moved by TCC with Seata's fence: try reserves, confirm moves, cancel gives back. Each deed is written
 * down in the same local transaction as its effect and the fence's row.
 */
final class Purses {
    /** Takes money out of a purse. */
    @LocalTCC
    public interface Debit {
        @TwoPhaseBusinessAction(name = "purse-" + Generation.NAME + "-debit", commitMethod = "confirm",
                rollbackMethod = "cancel", useTCCFence = true)
        boolean reserve(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "purse") long purse,
                @BusinessActionContextParameter(paramName = "amount") long amount);

        boolean confirm(BusinessActionContext context);

        boolean cancel(BusinessActionContext context);
    }

    /** Puts money into a purse. */
    @LocalTCC
    public interface Credit {
        @TwoPhaseBusinessAction(name = "purse-" + Generation.NAME + "-credit", commitMethod = "confirm",
                rollbackMethod = "cancel", useTCCFence = true)
        boolean announce(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "purse") long purse,
                @BusinessActionContextParameter(paramName = "amount") long amount);

        boolean confirm(BusinessActionContext context);

        boolean cancel(BusinessActionContext context);
    }

    /** The real thing behind Debit. */
    public static class DebitAction extends Action implements Debit {
        /** For Seata's proxy, which calls the real one. */
        public DebitAction() {
            this(null);
        }

        DebitAction(DataSource source) {
            super(source);
        }

        @Override
        public boolean reserve(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "purse") long purse,
                @BusinessActionContextParameter(paramName = "amount") long amount) {
            return act(context, "try", "UPDATE purse SET balance = balance - ?, frozen = frozen + ? WHERE id = ?",
                    purse, amount);
        }

        @Override
        public boolean confirm(BusinessActionContext context) {
            return act(context, "confirm", "UPDATE purse SET balance = balance + 0 * ?, frozen = frozen - ? WHERE id = ?",
                    purse(context), amount(context));
        }

        @Override
        public boolean cancel(BusinessActionContext context) {
            return act(context, "cancel", "UPDATE purse SET balance = balance + ?, frozen = frozen - ? WHERE id = ?",
                    purse(context), amount(context));
        }
    }

    /** The real thing behind Credit. */
    public static class CreditAction extends Action implements Credit {
        /** For Seata's proxy, which calls the real one. */
        public CreditAction() {
            this(null);
        }

        CreditAction(DataSource source) {
            super(source);
        }

        @Override
        public boolean announce(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "purse") long purse,
                @BusinessActionContextParameter(paramName = "amount") long amount) {
            return act(context, "try", "UPDATE purse SET balance = balance + 0 * ?, pending = pending + ? WHERE id = ?",
                    purse, amount);
        }

        @Override
        public boolean confirm(BusinessActionContext context) {
            return act(context, "confirm", "UPDATE purse SET balance = balance + ?, pending = pending - ? WHERE id = ?",
                    purse(context), amount(context));
        }

        @Override
        public boolean cancel(BusinessActionContext context) {
            return act(context, "cancel", "UPDATE purse SET balance = balance + 0 * ?, pending = pending - ? WHERE id = ?",
                    purse(context), amount(context));
        }
    }

    /** One deed, in the local transaction that the fence has opened. */
    private abstract static class Action {
        private final DataSource source;

        Action(DataSource source) {
            this.source = source;
        }

        static long purse(BusinessActionContext context) {
            return Long.parseLong(String.valueOf(context.getActionContext("purse")));
        }

        static long amount(BusinessActionContext context) {
            return Long.parseLong(String.valueOf(context.getActionContext("amount")));
        }

        final boolean act(BusinessActionContext context, String action, String sql, long purse, long amount) {
            Connection connection = DataSourceUtils.getConnection(source);
            try (PreparedStatement deed = connection.prepareStatement(
                    "INSERT INTO deed (xid, branch_id, purse, action, amount) VALUES (?, ?, ?, ?, ?)")) {
                Vault.update(connection, sql, amount, amount, purse);
                deed.setString(1, context.getXid());
                deed.setLong(2, context.getBranchId());
                deed.setLong(3, purse);
                deed.setString(4, action);
                deed.setLong(5, amount);
                deed.executeUpdate();
                return true;
            } catch (SQLException e) {
                throw new IllegalStateException(e); // has the fence roll the local transaction back
            } finally {
                DataSourceUtils.releaseConnection(connection, source);
            }
        }
    }

    private final Debit debit;
    private final Credit credit;

    Purses(String address, String name) {
        DataSource source = Vault.plain(address, name);
        Generation.fence(source);
        debit = TccActions.enlist(Debit.class, new DebitAction(source));
        credit = TccActions.enlist(Credit.class, new CreditAction(source));
    }

    void take(long purse, long amount) {
        debit.reserve(null, purse, amount);
    }

    void give(long purse, long amount) {
        credit.announce(null, purse, amount);
    }
}
