package conformance;

import io.seata.integration.tx.api.util.ProxyUtil;

/** Makes an object a TCC participant with the classes of a 2.x client, which has a way without Spring. */
public final class TccActions {
    private TccActions() {
    }

    /** Registers the action as a resource, and returns a proxy whose try method registers a branch. */
    public static <T> T enlist(Class<T> action, T target) {
        return action.cast(ProxyUtil.createProxy(target));
    }
}
