package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.seata.saga.engine.StateMachineEngine;
import io.seata.saga.engine.config.DbStateMachineConfig;
import io.seata.saga.engine.impl.ProcessCtrlStateMachineEngine;
import io.seata.saga.rm.StateMachineEngineHolder;
import io.seata.saga.statelang.domain.ExecutionStatus;
import io.seata.saga.statelang.domain.StateMachineInstance;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.context.support.GenericApplicationContext;

/**
 * Seata's own saga engine, with its state log in a database, against the coordinator: it begins a global transaction
 * for each machine, reports how it ended, and is asked to go on where it did not.
 */
@ExtendWith(Conformance.class)
public class SagaTest {
    static final String[] TABLES = {
        // Those of Seata's own script for MySQL.
        "CREATE TABLE seata_state_machine_def (id VARCHAR(32) PRIMARY KEY, name VARCHAR(128) NOT NULL,"
            + " tenant_id VARCHAR(32) NOT NULL, app_name VARCHAR(32) NOT NULL, type VARCHAR(20),"
            + " comment_ VARCHAR(255), ver VARCHAR(16) NOT NULL, gmt_create DATETIME(3) NOT NULL,"
            + " status VARCHAR(2) NOT NULL, content TEXT, recover_strategy VARCHAR(16))",
        "CREATE TABLE seata_state_machine_inst (id VARCHAR(128) PRIMARY KEY, machine_id VARCHAR(32) NOT NULL,"
            + " tenant_id VARCHAR(32) NOT NULL, parent_id VARCHAR(128), gmt_started DATETIME(3) NOT NULL,"
            + " business_key VARCHAR(48), start_params TEXT, gmt_end DATETIME(3), excep BLOB, end_params TEXT,"
            + " status VARCHAR(2), compensation_status VARCHAR(2), is_running TINYINT(1),"
            + " gmt_updated DATETIME(3) NOT NULL, UNIQUE KEY unikey_buz_tenant (business_key, tenant_id))",
        "CREATE TABLE seata_state_inst (id VARCHAR(48) NOT NULL, machine_inst_id VARCHAR(128) NOT NULL,"
            + " name VARCHAR(128) NOT NULL, type VARCHAR(20), service_name VARCHAR(128),"
            + " service_method VARCHAR(128), service_type VARCHAR(16), business_key VARCHAR(48),"
            + " state_id_compensated_for VARCHAR(50), state_id_retried_for VARCHAR(50),"
            + " gmt_started DATETIME(3) NOT NULL, is_for_update TINYINT(1), input_params TEXT, output_params TEXT,"
            + " status VARCHAR(2) NOT NULL, excep BLOB, gmt_updated DATETIME(3), gmt_end DATETIME(3),"
            + " PRIMARY KEY (id, machine_inst_id))",
    };

    /** What happens when a method of a participant is called for an order, instead of success. */
    @FunctionalInterface
    private interface Trouble {
        boolean run() throws Exception;
    }

    private static final Map<String, Trouble> TROUBLES = new ConcurrentHashMap<>();
    private static final Map<String, List<String>> CALLS = new ConcurrentHashMap<>();

    private static Schema log;
    private static GenericApplicationContext spring;
    private static DbStateMachineConfig config;
    private static StateMachineEngine engine;

    /** The participants: beans whose methods the engine calls by their names. */
    public static final class Stock {
        public boolean take(String order) throws Exception {
            return called("take", order);
        }

        public boolean giveBack(String order) throws Exception {
            return called("giveBack", order);
        }
    }

    /** See {@link Stock}. */
    public static final class Bank {
        public boolean pay(String order) throws Exception {
            return called("pay", order);
        }

        public boolean refund(String order) throws Exception {
            return called("refund", order);
        }
    }

    private static boolean called(String method, String order) throws Exception {
        CALLS.computeIfAbsent(order, o -> new CopyOnWriteArrayList<>()).add(method);
        Trouble trouble = TROUBLES.get(method);
        return trouble == null || trouble.run();
    }

    @BeforeAll
    static void startEngine() throws Exception {
        if (engine != null) {
            return;
        }
        log = new Schema("saga");
        log.execute(TABLES);
        spring = new GenericApplicationContext();
        spring.registerBean("stock", Stock.class);
        spring.registerBean("bank", Bank.class);
        spring.refresh();
        config = new DbStateMachineConfig();
        config.setApplicationContext(spring);
        config.setDataSource(log.plain());
        config.setDbType("mysql");
        config.setApplicationId("conformance");
        config.setTxServiceGroup("conformance");
        config.setSagaJsonParser("jackson");
        config.setResources(new String[] {"classpath*:sagas/*.json"});
        config.afterPropertiesSet();
        ProcessCtrlStateMachineEngine made = new ProcessCtrlStateMachineEngine();
        made.setStateMachineConfig(config);
        new StateMachineEngineHolder().setStateMachineEngine(made);
        engine = made;
    }

    @AfterEach
    void noTrouble() {
        TROUBLES.clear();
        config.setTransOperationTimeout(60_000);
        config.setSagaBranchRegisterEnable(false);
    }

    /** A machine that ran, and what is asked of it. */
    private record Run(String order, StateMachineInstance instance) {
        static Run of(String machine) {
            String order = UUID.randomUUID().toString();
            Map<String, Object> input = new HashMap<>(Map.of("order", order));
            return new Run(order, engine.start(machine, null, input));
        }

        String xid() {
            return instance.getId();
        }

        List<String> calls() {
            return List.copyOf(CALLS.get(order));
        }

        void ended(String status) throws Exception {
            Eventually.equal(status, () -> transaction().path("status").asText(), "status of " + xid());
        }

        JsonNode transaction() {
            return Conformance.coordinator().get("/api/v1/transactions/" + xid());
        }

        /** How the engine knows the machine by now. */
        StateMachineInstance now() {
            return engine.reloadStateMachineInstance(xid());
        }
    }

    @Test
    void successIsCommitted() throws Exception {
        Run run = Run.of("purchase");

        assertEquals(ExecutionStatus.SU, run.instance().getStatus());
        run.ended("Committed");
        assertEquals(List.of("take", "pay"), run.calls());
    }

    @Test
    void stepsThatAreBranchesOfTheCoordinatorAreSeenThere() throws Exception {
        config.setSagaBranchRegisterEnable(true);
        Run run = Run.of("purchase");

        run.ended("Committed");
        List<String> resources = new ArrayList<>();
        run.transaction().path("branches").forEach(branch -> resources.add(branch.path("resource").asText()));
        assertEquals(List.of("purchase#Take", "purchase#Pay"), resources);
    }

    @Test
    void compensatedMachineIsRolledBack() throws Exception {
        TROUBLES.put("pay", () -> {
            throw new IllegalStateException("no money");
        });
        Run run = Run.of("purchase");

        assertEquals(ExecutionStatus.SU, run.instance().getCompensationStatus());
        run.ended("RolledBack");
        assertTrue(run.calls().contains("giveBack"), run.calls().toString());
    }

    @Test
    void failureWithoutEffectIsRolledBack() throws Exception {
        TROUBLES.put("take", () -> {
            throw new IllegalArgumentException("there is no such thing");
        });
        Run run = Run.of("order");

        assertEquals(ExecutionStatus.FA, run.instance().getStatus());
        run.ended("RolledBack");
        assertEquals(List.of("take"), run.calls());
    }

    @Test
    void compensationThatFailedIsRepeatedUntilItIsDone() throws Exception {
        TROUBLES.put("pay", () -> {
            throw new IllegalStateException("no money");
        });
        TROUBLES.put("giveBack", () -> {
            throw new IllegalStateException("the stock is closed");
        });
        Run run = Run.of("purchase");
        assertEquals("Active", run.transaction().path("status").asText());

        TROUBLES.clear();
        run.ended("RolledBack");
        assertEquals(ExecutionStatus.SU, run.now().getCompensationStatus());
    }

    @Test
    void unknownOutcomeGoesForwardUntilItIsDone() throws Exception {
        TROUBLES.put("pay", () -> {
            throw new IllegalStateException("the bank is silent");
        });
        Run run = Run.of("order");
        assertEquals(ExecutionStatus.UN, run.instance().getStatus());
        assertEquals("Active", run.transaction().path("status").asText());

        TROUBLES.clear();
        run.ended("Committed");
        assertEquals(ExecutionStatus.SU, run.now().getStatus());
        assertEquals(1, run.calls().stream().filter("take"::equals).count(), run.calls().toString());
    }

    @Test
    void coordinatorThatWasKilledStillAsks() throws Exception {
        TROUBLES.put("pay", () -> {
            throw new IllegalStateException("the bank is silent");
        });
        Run run = Run.of("order");
        Conformance.coordinator().kill();
        comeBack();
        run.ended("Committed");
        assertEquals(ExecutionStatus.SU, run.now().getStatus());
    }

    /**
     * The engine reports its end once; if that is lost, nothing happens until the time of the transaction is up. Then
     * the machine is compensated, or goes forward if that is its recovery strategy.
     */
    @ParameterizedTest
    @ValueSource(strings = {"order", "parcel"})
    void machineWhoseReportIsLostIsRecoveredAtItsDeadline(String machine) throws Exception {
        config.setTransOperationTimeout(3_000);
        TROUBLES.put("pay", () -> {
            Conformance.coordinator().kill();
            throw new IllegalStateException("the bank is silent");
        });
        String order = UUID.randomUUID().toString();
        assertThrows(RuntimeException.class, () -> engine.start(machine, null, new HashMap<>(Map.of("order", order))));
        comeBack();
        String xid = log.rows("SELECT id FROM seata_state_machine_inst WHERE start_params LIKE '%" + order + "%'").get(0);
        Run run = new Run(order, engine.reloadStateMachineInstance(xid));
        boolean forward = machine.equals("parcel")
                && Settings.require("conformance.forwardStrategy").equals("Committed");
        run.ended(forward ? "Committed" : "RolledBack");
        StateMachineInstance end = run.now();
        assertEquals(ExecutionStatus.SU, forward ? end.getStatus() : end.getCompensationStatus());
        assertEquals(!forward, run.calls().contains("giveBack"), run.calls().toString());
    }

    /**
     * Starts the coordinator again, and has the application go on with its work, with branches at the coordinator: in
     * its first minute a client looks for the coordinator only when it needs it.
     */
    private static void comeBack() throws Exception {
        TROUBLES.clear();
        Conformance.coordinator().start();
        config.setSagaBranchRegisterEnable(true);
        Run.of("purchase").ended("Committed");
    }
}
