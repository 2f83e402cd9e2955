package conformance;

import io.seata.core.context.RootContext;
import io.seata.core.model.BranchType;
import io.seata.rm.tcc.api.TwoPhaseBusinessAction;
import io.seata.rm.tcc.interceptor.ActionInterceptorHandler;
import io.seata.rm.tcc.remoting.parser.DefaultRemotingParser;
import io.seata.rm.tcc.remoting.parser.LocalTCCRemotingParser;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;

/**
 * Makes an object a TCC participant with the classes of a 1.x client. There, only a Spring interceptor does it; this
 * proxy makes the same calls in the same order.
 */
public final class TccActions {
    private TccActions() {
    }

    /** Registers the action as a resource, and returns a proxy whose try method registers a branch. */
    public static <T> T enlist(Class<T> action, T target) {
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
}
