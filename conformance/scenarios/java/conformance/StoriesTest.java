package conformance;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.seata.saga.engine.impl.DefaultStateMachineConfig;
import io.seata.saga.engine.impl.ProcessCtrlStateMachineEngine;
import io.seata.saga.engine.invoker.impl.SpringBeanServiceInvoker;
import io.seata.saga.engine.sequence.SeqGenerator;
import io.seata.saga.engine.serializer.impl.ParamsSerializer;
import io.seata.saga.engine.store.db.DbAndReportTcStateLogStore;
import io.seata.saga.engine.store.db.DbStateLangStore;
import io.seata.saga.statelang.domain.ExecutionStatus;
import io.seata.saga.statelang.domain.StateMachineInstance;
import io.seata.saga.statelang.domain.impl.ServiceTaskStateImpl;
import java.io.IOException;
import java.io.Reader;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import javax.script.AbstractScriptEngine;
import javax.script.Bindings;
import javax.script.ScriptContext;
import javax.script.ScriptEngine;
import javax.script.ScriptEngineFactory;
import javax.script.ScriptEngineManager;
import javax.script.ScriptException;
import javax.script.SimpleBindings;
import javax.tools.ToolProvider;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.springframework.context.support.GenericApplicationContext;

/**
 * The stories of saga/statelang/testdata/runs, and the machines drawn at random beside them, told by Seata's own
 * engine: the same calls, and the statuses that they want. A story that ends otherwise in Java says so itself, and why,
 * under "java"; one that Java's engine cannot run at all says "without".
 */
public class StoriesTest {
    private static final Path RUNS = Path.of("../../saga/statelang/testdata/runs");
    private static final Path DRAWN = Path.of("../../saga/statelang/testdata/seata.jsonl");
    private static final ObjectMapper JSON = new ObjectMapper()
            .configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true);

    private static Schema log;

    static Stream<Arguments> stories() throws IOException {
        List<Arguments> out = new ArrayList<>();
        try (Stream<Path> files = Files.list(RUNS)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".json")).sorted().toList()) {
                JsonNode story = JSON.readTree(file.toFile());
                if (!story.path("java").has("without")) {
                    out.add(Arguments.of(file.getFileName().toString(), story));
                }
            }
        }
        for (String line : Files.readAllLines(DRAWN)) {
            JsonNode story = JSON.readTree(line);
            out.add(Arguments.of(story.path("shows").asText(), story));
        }
        assertTrue(out.size() > 290, "only " + out.size() + " stories");
        return out.stream();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("stories")
    void endsAsTheStoryWants(String name, JsonNode story) throws Exception {
        JsonNode java = story.path("java");
        Told told = new Told(story);
        StateMachineInstance end = told.tell();
        JsonNode want = story.path("want");
        List<String> calls = new ArrayList<>();
        for (JsonNode call : java.has("calls") ? java.path("calls") : want.path("calls")) {
            // Waits are not seen from here, and the compensation of a child is what it calls.
            if (!call.asText().matches("(wait|built-in compensation of|compensate the child).*")) {
                calls.add(call.asText().replaceAll("^script.*", "script"));
            }
        }
        assertAll(name,
                () -> assertEquals(wanted(java, want, "forward"), text(end.getStatus()), "forward"),
                () -> assertEquals(wanted(java, want, "compensation"), text(end.getCompensationStatus()),
                        "compensation"),
                () -> assertEquals(calls, told.calls, "calls"),
                () -> assertContext(java.has("context") ? java.path("context") : want.path("context"),
                        JSON.valueToTree(end.getEndParams())));
        assertTrue(java.isMissingNode() || !java.path("why").asText().isEmpty(), "a difference says why");
    }

    private static String wanted(JsonNode java, JsonNode want, String key) {
        return java.path(key).asText(want.path(key).asText());
    }

    private static String text(ExecutionStatus status) {
        return status == null ? "" : status.toString();
    }

    private static void assertContext(JsonNode want, JsonNode got) {
        want.fields().forEachRemaining(f -> {
            JsonNode value = got.path(f.getKey());
            assertEquals(f.getValue().isNull() ? "" : f.getValue().toString(),
                    value.isNull() || value.isMissingNode() ? "" : value.toString(), f.getKey());
        });
    }

    /** What every service is: which one it stands for is known where it is called. */
    public static final class Service {
        public void call() {
        }
    }

    /** One story, with an engine of its own. */
    private static final class Told extends SpringBeanServiceInvoker {
        private final JsonNode story;
        private final String name = "s" + UUID.randomUUID().toString().substring(0, 8);
        private final Map<String, Integer> answered = new ConcurrentHashMap<>();
        private final ThreadLocal<String> service = new ThreadLocal<>();
        private final ThreadLocal<Object[]> input = new ThreadLocal<>();
        private final CountDownLatch ended = new CountDownLatch(1);
        private final DefaultStateMachineConfig config = new DefaultStateMachineConfig();
        final List<String> calls = new CopyOnWriteArrayList<>();

        Told(JsonNode story) {
            this.story = story;
        }

        StateMachineInstance tell() throws Exception {
            Path dir = Files.createTempDirectory(Path.of(Settings.get("conformance.work", "target")), "story");
            write(dir, story.path("machine"), name);
            for (Map.Entry<String, JsonNode> child : fields(story.path("machines"))) {
                write(dir, child.getValue(), child.getKey());
            }
            declareExceptions(story);
            configure(dir);
            ProcessCtrlStateMachineEngine engine = new ProcessCtrlStateMachineEngine();
            engine.setStateMachineConfig(config);
            Map<String, Object> start = new HashMap<>();
            fields(story.path("start")).forEach(f -> start.put(f.getKey(), plain(f.getValue())));
            Thread first = new Thread(() -> {
                try {
                    engine.startWithBusinessKey(name, null, name, start);
                } catch (Exception e) {
                    // What broke the machine off is in its log.
                } finally {
                    ended.countDown();
                }
            });
            first.setDaemon(true); // a call that hangs does so until the end
            first.start();
            assertTrue(ended.await(1, TimeUnit.MINUTES), "the machine does not end");
            for (JsonNode then : story.path("then")) {
                config.setTransOperationTimeout(60_000);
                try {
                    if (then.asText().equals("forward")) {
                        engine.forward(logged().getId(), null);
                    } else {
                        engine.compensate(logged().getId(), null);
                    }
                } catch (Exception e) {
                    // As above.
                }
            }
            config.getThreadPoolExecutor().shutdown();
            return logged();
        }

        private StateMachineInstance logged() {
            return config.getStateLogStore().getStateMachineInstanceByBusinessKey(name, config.getDefaultTenantId());
        }

        private void write(Path dir, JsonNode machine, String as) throws IOException {
            ObjectNode own = machine.deepCopy();
            ObjectNode named = own.has("nodes") ? (ObjectNode) own.at("/nodes/0/stateProps/StateMachine") : own;
            for (JsonNode node : own.path("nodes")) {
                if (node.path("stateType").asText().equals("Start")) {
                    named = (ObjectNode) node.at("/stateProps/StateMachine");
                }
            }
            named.put("Name", as);
            JSON.copy().configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, false)
                    .writeValue(dir.resolve(as + ".json").toFile(), own);
        }

        private void configure(Path dir) throws Exception {
            GenericApplicationContext spring = new GenericApplicationContext();
            spring.refresh();
            ParamsSerializer serializer = new ParamsSerializer();
            serializer.setJsonParserName("jackson");
            DbAndReportTcStateLogStore store = new DbAndReportTcStateLogStore();
            store.setDataSource(log().plain());
            store.setTablePrefix("seata_");
            store.setDbType("mysql");
            store.setDefaultTenantId("000001");
            store.setParamsSerializer(serializer);
            DbStateLangStore languages = new DbStateLangStore();
            languages.setDataSource(log().plain());
            languages.setTablePrefix("seata_");
            languages.setDbType("mysql");
            ScriptEngineManager scripts = new ScriptEngineManager();
            scripts.registerEngineName("groovy", factory(new Script()));
            // The log from which Seata compensates is in the order of time, then of ids, which are drawn at random.
            AtomicInteger ids = new AtomicInteger();
            config.setSeqGenerator((SeqGenerator) Proxy.newProxyInstance(StoriesTest.class.getClassLoader(),
                    new Class<?>[] {SeqGenerator.class},
                    (proxy, method, arguments) -> String.format("%s-%06d", name, ids.incrementAndGet())));
            store.setSeqGenerator(config.getSeqGenerator());
            config.setApplicationContext(spring);
            config.setStateLogStore(store);
            config.setStateLangStore(languages);
            config.setSagaJsonParser("jackson");
            config.setScriptEngineManager(scripts);
            config.setEnableAsync(true);
            // One thread: what a loop has side by side is called in the order in which it was begun.
            config.setThreadPoolExecutor(
                    new ThreadPoolExecutor(1, 1, 1, TimeUnit.SECONDS, new LinkedBlockingQueue<>()));
            config.setResources(new String[] {dir.toUri() + "*.json"});
            config.afterPropertiesSet();
            setApplicationContext(spring);
            setThreadPoolExecutor(null);
            config.getServiceInvokerManager().putServiceInvoker("SpringBean", this);
            Set<String> services = new LinkedHashSet<>();
            story.findValuesAsText("ServiceName", new ArrayList<>()).forEach(services::add);
            services.forEach(s -> spring.getBeanFactory().registerSingleton(s, new Service()));
        }

        @Override
        protected Method findMethod(Class<?> type, String method, List<String> parameters) {
            try {
                return Service.class.getMethod("call");
            } catch (NoSuchMethodException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        protected Object doInvoke(ServiceTaskStateImpl state, Object[] given) throws Throwable {
            service.set(state.getServiceName() + "." + state.getServiceMethod());
            input.set(given);
            Object result = super.doInvoke(state, given);
            return state.isAsync() ? null : result;
        }

        @Override
        protected Object invokeMethod(Object bean, Method method, Object... ignored) throws Throwable {
            return called(service.get(), input.get());
        }

        private Object called(String key, Object... given) throws Throwable {
            calls.add(given == null || given.length == 0 ? key : key + JSON.writeValueAsString(given));
            JsonNode call = story.path("services").path(key).path(answered.merge(key, 1, Integer::sum) - 1);
            if (call.path("hangs").asBoolean()) {
                ended.countDown();
                new CountDownLatch(1).await();
            }
            if (call.path("late").asBoolean()) {
                config.setTransOperationTimeout(0);
            }
            if (call.has("throws")) {
                throw thrown(call.path("throws").asText(), call.path("message").asText(null));
            }
            return call.isMissingNode() ? "ok" : plain(call.path("returns"));
        }

        /** The script of every ScriptTask. */
        private final class Script extends AbstractScriptEngine {
            @Override
            public Object eval(String text, ScriptContext context) throws ScriptException {
                try {
                    return called("script");
                } catch (Exception e) {
                    throw new ScriptException(e);
                } catch (Throwable e) {
                    throw new IllegalStateException(e);
                }
            }

            @Override
            public Object eval(Reader reader, ScriptContext context) {
                throw new UnsupportedOperationException();
            }

            @Override
            public Bindings createBindings() {
                return new SimpleBindings();
            }

            @Override
            public ScriptEngineFactory getFactory() {
                return null;
            }
        }
    }

    private static ScriptEngineFactory factory(ScriptEngine engine) {
        return (ScriptEngineFactory) Proxy.newProxyInstance(StoriesTest.class.getClassLoader(),
                new Class<?>[] {ScriptEngineFactory.class},
                (proxy, method, arguments) -> method.getName().equals("getScriptEngine") ? engine : null);
    }

    private static synchronized Schema log() {
        try {
            if (log == null) {
                log = new Schema("stories");
                log.execute(SagaTest.TABLES);
            }
            return log;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<Map.Entry<String, JsonNode>> fields(JsonNode node) {
        List<Map.Entry<String, JsonNode>> out = new ArrayList<>();
        node.fields().forEachRemaining(out::add);
        return out;
    }

    private static Object plain(JsonNode node) {
        return node.isMissingNode() ? null : JSON.convertValue(node, Object.class);
    }

    private static Throwable thrown(String type, String message) throws Exception {
        Class<?> found = Class.forName(type);
        try {
            return (Throwable) found.getConstructor(String.class).newInstance(message);
        } catch (NoSuchMethodException e) {
            return (Throwable) found.getConstructor().newInstance();
        }
    }

    /** Makes the classes of exceptions that a story has, where the engine's class loader finds them. */
    private static void declareExceptions(JsonNode story) throws Exception {
        for (JsonNode calls : story.path("services")) {
            for (JsonNode call : calls) {
                if (call.has("throws")) {
                    declare(call.path("throws").asText(), call.path("supers").path(0).asText("java.lang.Exception"));
                }
            }
        }
    }

    private static void declare(String type, String parent) throws Exception {
        Path classes = Path.of(Settings.get("conformance.work", "target"), "test-classes");
        int dot = type.lastIndexOf('.');
        if (Files.exists(classes.resolve(type.replace('.', '/') + ".class")) || !type.startsWith("com.example.")) {
            return;
        }
        Path source = Files.createTempDirectory("story").resolve(type.substring(dot + 1) + ".java");
        Files.writeString(source, "package " + type.substring(0, dot) + "; public class " + type.substring(dot + 1)
                + " extends " + parent + " { public " + type.substring(dot + 1)
                + "(String message) { super(message); } }");
        int result = ToolProvider.getSystemJavaCompiler().run(null, null, null, "-d", classes.toString(),
                source.toString());
        assertEquals(0, result, "javac of " + type);
    }
}
