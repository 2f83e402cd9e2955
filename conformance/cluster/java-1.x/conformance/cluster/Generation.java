package conformance.cluster;

import javax.sql.DataSource;
import org.apache.seata.rm.tcc.config.TCCFenceConfig;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;

/** What differs between the generations of clients: this one is for 1.x. */
final class Generation {
    /** In the names of resources that two banks must not share. */
    static final String NAME = "1.x";

    private Generation() {
    }

    /** Has actions keep their fence in a database. */
    static void fence(DataSource source) {
        new TCCFenceConfig(source, new DataSourceTransactionManager(source)).afterPropertiesSet();
    }
}
