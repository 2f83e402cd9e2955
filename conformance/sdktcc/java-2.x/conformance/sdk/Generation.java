package conformance.sdk;

import javax.sql.DataSource;
import org.apache.seata.integration.tx.api.fence.DefaultCommonFenceHandler;
import org.apache.seata.rm.fence.SpringFenceConfig;
import org.apache.seata.rm.fence.SpringFenceHandler;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;

/** What differs between the generations of clients: this one is for 2.x. */
final class Generation {
    private Generation() {
    }

    /** Has actions keep their fence in a database. */
    static void fence(DataSource source) {
        new SpringFenceConfig(source, new DataSourceTransactionManager(source)).afterPropertiesSet();
        DefaultCommonFenceHandler.get().setFenceHandler(new SpringFenceHandler());
    }
}
