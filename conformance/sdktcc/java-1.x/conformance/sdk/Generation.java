package conformance.sdk;

import javax.sql.DataSource;
import org.apache.seata.rm.tcc.config.TCCFenceConfig;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;

/** What differs between the generations of clients: this one is for 1.x. */
final class Generation {
    private Generation() {
    }

    /** Has actions keep their fence in a database. */
    static void fence(DataSource source) {
        new TCCFenceConfig(source, new DataSourceTransactionManager(source)).afterPropertiesSet();
    }
}
