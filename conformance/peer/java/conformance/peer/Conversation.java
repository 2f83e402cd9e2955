package conformance.peer;

import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.seata.core.context.RootContext;
import org.apache.seata.rm.RMClient;
import org.apache.seata.tm.TMClient;

/**
 * What a service in Java and the Go test that started it say to each other: it says "ready" when it can be asked, and
 * answers each line with one, "failed: reason" if it could not do it. It ends with its input.
 */
public final class Conversation {
    private final PrintStream answers;

    private Conversation(PrintStream answers) {
        this.answers = answers;
    }

    /** Has an application join a coordinator. Libraries print to standard error from now on. */
    public static Conversation begin(String application, String coordinator) {
        Conversation conversation = new Conversation(System.out);
        System.setOut(System.err);
        System.setProperty("service.default.grouplist", coordinator);
        TMClient.init(application, "peer");
        RMClient.init(application, "peer");
        return conversation;
    }

    /** Opens a database of the test. */
    public static HikariDataSource open(String url) {
        HikariDataSource source = new HikariDataSource();
        source.setJdbcUrl(url);
        source.setUsername("root");
        source.setPassword("");
        source.setMaximumPoolSize(4);
        return source;
    }

    /** Says that it is ready, and answers until nobody asks any more. The process ends with it. */
    public void hold(String ready, Service service) throws IOException {
        answers.println(ready);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            answers.println(answer(service, line));
        }
        System.exit(0);
    }

    private static String answer(Service service, String line) {
        try {
            return service.answer(line);
        } catch (Exception | Error e) {
            e.printStackTrace();
            return "failed: " + e;
        } finally {
            RootContext.unbind();
        }
    }

    /** What is asked. A transaction that it binds to the thread is unbound after each answer. */
    public interface Service {
        String answer(String line) throws Exception;
    }
}
