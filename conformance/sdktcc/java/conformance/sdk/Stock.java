package conformance.sdk;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Map;
import javax.sql.DataSource;
import org.apache.seata.rm.tcc.api.BusinessActionContext;
import org.apache.seata.rm.tcc.api.BusinessActionContextParameter;
import org.apache.seata.rm.tcc.api.LocalTCC;
import org.apache.seata.rm.tcc.api.TwoPhaseBusinessAction;
import org.springframework.jdbc.datasource.DataSourceUtils;

/** An action that a service in Go has under the same name, with the same fence and the same table of deeds. */
@LocalTCC
public interface Stock {
    @TwoPhaseBusinessAction(name = "shared-stock", commitMethod = "confirm", rollbackMethod = "cancel",
            useTCCFence = true)
    boolean reserve(BusinessActionContext context,
            @BusinessActionContextParameter(paramName = "sku") long sku,
            @BusinessActionContextParameter(paramName = "count") int count);

    boolean confirm(BusinessActionContext context);

    boolean cancel(BusinessActionContext context);

    /** The real thing: it writes down what it was asked for. */
    class Shelf implements Stock {
        private final DataSource source;

        /** For Seata's proxy, which calls the real one. */
        public Shelf() {
            this(null);
        }

        Shelf(DataSource source) {
            this.source = source;
        }

        @Override
        public boolean reserve(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "sku") long sku,
                @BusinessActionContextParameter(paramName = "count") int count) {
            return write(context, "try", sku + " x " + count);
        }

        @Override
        public boolean confirm(BusinessActionContext context) {
            return write(context, "confirm", parameters(context));
        }

        @Override
        public boolean cancel(BusinessActionContext context) {
            return write(context, "cancel", parameters(context));
        }

        /** Services in Go put all parameters under one name. */
        private static String parameters(BusinessActionContext context) {
            Object all = context.getActionContext("parameters");
            if (all instanceof Map) {
                return ((Map<?, ?>) all).get("sku") + " x " + ((Map<?, ?>) all).get("count");
            }
            return context.getActionContext("sku") + " x " + context.getActionContext("count");
        }

        private boolean write(BusinessActionContext context, String action, String what) {
            Connection connection = DataSourceUtils.getConnection(source);
            try (PreparedStatement deed = connection.prepareStatement(
                    "INSERT INTO deed (xid, branch_id, who, action, what) VALUES (?, ?, 'java', ?, ?)")) {
                deed.setString(1, context.getXid());
                deed.setLong(2, context.getBranchId());
                deed.setString(3, action);
                deed.setString(4, what);
                deed.executeUpdate();
                return true;
            } catch (SQLException e) {
                throw new IllegalStateException(e); // has the fence roll the local transaction back
            } finally {
                DataSourceUtils.releaseConnection(connection, source);
            }
        }
    }
}
