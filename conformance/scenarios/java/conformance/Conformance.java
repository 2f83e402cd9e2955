package conformance;

import io.seata.rm.RMClient;
import io.seata.tm.TMClient;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Starts the coordinator and connects the client under test to it, once for all scenarios of a run: Seata's client
 * keeps its connections and its configuration in static fields, so a second coordinator would need a second JVM.
 */
final class Conformance
        implements BeforeAllCallback, AfterEachCallback, ExtensionContext.Store.CloseableResource {
    private static final String APPLICATION = "conformance";
    private static final String GROUP = "conformance";

    private static Conformance running;

    private Coordinator coordinator;

    /** The coordinator that all scenarios use. */
    static Coordinator coordinator() {
        return running.coordinator;
    }

    @Override
    public void beforeAll(ExtensionContext context) throws Exception {
        if (running != null) {
            return;
        }
        coordinator = new Coordinator(Path.of(Settings.require("conformance.work"), "coordinator"));
        running = this;
        // The root store is closed when the last scenario has ended.
        context.getRoot().getStore(ExtensionContext.Namespace.GLOBAL).put(Conformance.class, this);

        // Seata prefers system properties to its files. They must be set before any of its classes is loaded.
        System.setProperty("service.concord.grouplist", coordinator.tcAddress());
        TMClient.init(APPLICATION, GROUP);
        RMClient.init(APPLICATION, GROUP);
    }

    @Override
    public void afterEach(ExtensionContext context) throws Exception {
        Global.endAll();
    }

    @Override
    public void close() throws Exception {
        coordinator.stop();
    }
}
