package conformance.cluster;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import javax.sql.DataSource;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.core.model.BranchType;
import org.apache.seata.rm.tcc.api.TwoPhaseBusinessAction;
import org.apache.seata.rm.tcc.config.TCCFenceConfig;
import org.apache.seata.rm.tcc.interceptor.ActionInterceptorHandler;
import org.apache.seata.rm.tcc.remoting.parser.DefaultRemotingParser;
import org.apache.seata.rm.tcc.remoting.parser.LocalTCCRemotingParser;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;

/** What differs between the generations of clients: this one is for 1.x. */
final class Generation {
    /** In the names of resources that two banks must not share. */
    static final String NAME = "1.x";

    private Generation() {
    }

    /**
     * Registers an action as a resource, and returns a proxy whose try method registers a branch. In 1.x only a Spring
     * interceptor does it; this proxy makes the same calls in the same order.
     */
    static <T> T enlist(Class<T> action, T target) {
        DefaultRemotingParser.get().parserRemotingServiceInfo(target, action.getName(), new LocalTCCRemotingParser());
        ActionInterceptorHandler handler = new ActionInterceptorHandler();
        return action.cast(Proxy.newProxyInstance(action.getClassLoader(), new Class<?>[] {action},
                (proxy, method, arguments) -> {
                    TwoPhaseBusinessAction annotation = method.getAnnotation(TwoPhaseBusinessAction.class);
                    if (annotation == null || !RootContext.inGlobalTransaction()) {
                        return invoke(method, target, arguments);
                    }
                    BranchType outer = RootContext.getBranchType();
                    RootContext.bindBranchType(BranchType.TCC);
                    try {
                        return handler.proceed(method, arguments, RootContext.getXID(), annotation,
                                () -> invoke(method, target, arguments));
                    } finally {
                        if (outer != BranchType.TCC) {
                            RootContext.unbindBranchType();
                        }
                    }
                }));
    }

    private static Object invoke(Method method, Object target, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    /** Has actions keep their fence in a database. */
    static void fence(DataSource source) {
        new TCCFenceConfig(source, new DataSourceTransactionManager(source)).afterPropertiesSet();
    }
}
