package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.seata.core.model.GlobalStatus;
import io.seata.rm.tcc.api.BusinessActionContext;
import io.seata.rm.tcc.api.BusinessActionContextParameter;
import io.seata.rm.tcc.api.LocalTCC;
import io.seata.rm.tcc.api.TwoPhaseBusinessAction;
import java.math.BigDecimal;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** TCC: the coordinator calls confirm or cancel of each action until it succeeds, with what try was given. */
@ExtendWith(Conformance.class)
class TccTest {
    /** What the participants were asked to do, in that order; attempts that fail are included. */
    private static final List<String> CALLS = new CopyOnWriteArrayList<>();

    private static StockParticipant stockParticipant;
    private static PaymentParticipant paymentParticipant;
    private static StockAction stock;
    private static PaymentAction payment;

    /** An action whose parameters are of the kinds that applications use. */
    @LocalTCC
    public interface StockAction {
        @TwoPhaseBusinessAction(name = "conformance-stock", commitMethod = "confirm", rollbackMethod = "cancel")
        boolean reserve(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "item") String item,
                @BusinessActionContextParameter(paramName = "quantity") int quantity,
                @BusinessActionContextParameter(paramName = "serial") long serial,
                @BusinessActionContextParameter(paramName = "price") BigDecimal price,
                @BusinessActionContextParameter(paramName = "labels") List<String> labels);

        boolean confirm(BusinessActionContext context);

        boolean cancel(BusinessActionContext context);
    }

    /** A second action, which reports a failure by an exception. */
    @LocalTCC
    public interface PaymentAction {
        @TwoPhaseBusinessAction(name = "conformance-payment", commitMethod = "confirm", rollbackMethod = "cancel")
        boolean authorize(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "account") String account);

        boolean confirm(BusinessActionContext context);

        boolean cancel(BusinessActionContext context);
    }

    /**
     * Records what comes back in phase two, and answers false as often as it is told to. The annotations of parameters
     * are on both methods: a 1.x client reads those of the interface, a 2.x client those of the class.
     */
    public static class StockParticipant implements StockAction {
        private volatile int failures;
        private volatile String remembered;

        @Override
        public boolean reserve(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "item") String item,
                @BusinessActionContextParameter(paramName = "quantity") int quantity,
                @BusinessActionContextParameter(paramName = "serial") long serial,
                @BusinessActionContextParameter(paramName = "price") BigDecimal price,
                @BusinessActionContextParameter(paramName = "labels") List<String> labels) {
            return true;
        }

        @Override
        public boolean confirm(BusinessActionContext context) {
            return phaseTwo("confirm stock", context);
        }

        @Override
        public boolean cancel(BusinessActionContext context) {
            return phaseTwo("cancel stock", context);
        }

        private synchronized boolean phaseTwo(String call, BusinessActionContext context) {
            CALLS.add(call);
            // The types are what the client's JSON library makes of them; their text is what the application gave.
            remembered = context.getActionContext("item") + "|" + context.getActionContext("quantity") + "|"
                    + context.getActionContext("serial") + "|" + context.getActionContext("price") + "|"
                    + context.getActionContext("labels");
            return failures-- <= 0;
        }
    }

    /** Throws as often as it is told to. */
    public static class PaymentParticipant implements PaymentAction {
        private volatile int failures;
        private volatile boolean refuses;
        private volatile String remembered;

        @Override
        public boolean authorize(BusinessActionContext context,
                @BusinessActionContextParameter(paramName = "account") String account) {
            if (refuses) {
                throw new IllegalStateException("no money");
            }
            return true;
        }

        @Override
        public boolean confirm(BusinessActionContext context) {
            return phaseTwo("confirm payment", context);
        }

        @Override
        public boolean cancel(BusinessActionContext context) {
            return phaseTwo("cancel payment", context);
        }

        private synchronized boolean phaseTwo(String call, BusinessActionContext context) {
            CALLS.add(call);
            remembered = String.valueOf(context.getActionContext("account"));
            if (failures-- > 0) {
                throw new IllegalStateException("the payment provider is not available");
            }
            return true;
        }
    }

    @BeforeAll
    static void enlist() {
        stockParticipant = new StockParticipant();
        paymentParticipant = new PaymentParticipant();
        stock = TccActions.enlist(StockAction.class, stockParticipant);
        payment = TccActions.enlist(PaymentAction.class, paymentParticipant);
    }

    @BeforeEach
    void reset() {
        CALLS.clear();
        stockParticipant.failures = 0;
        stockParticipant.remembered = null;
        paymentParticipant.failures = 0;
        paymentParticipant.refuses = false;
        paymentParticipant.remembered = null;
    }

    @Test
    void confirmsInOrderOfRegistrationBeforeTheAnswer() throws Exception {
        Global global = Global.begin().run(TccTest::order);
        global.commit();

        assertEquals(GlobalStatus.Committed, global.answer());
        assertEquals(List.of("confirm stock", "confirm payment"), CALLS);
    }

    @Test
    void cancelsInReverseBeforeTheAnswer() throws Exception {
        Global global = Global.begin().run(TccTest::order);
        global.rollback();

        assertEquals(GlobalStatus.Rollbacked, global.answer());
        assertEquals(List.of("cancel payment", "cancel stock"), CALLS);
    }

    /** The branch is registered before try runs, so an action whose try failed is cancelled, too. */
    @Test
    void cancelsTheActionWhoseTryFailed() throws Exception {
        paymentParticipant.refuses = true;
        Global global = Global.begin();
        assertThrows(Exception.class, () -> global.run(TccTest::order));
        global.rollback();

        assertEquals(List.of("cancel payment", "cancel stock"), CALLS);
    }

    @Test
    void parametersOfTryArriveUnchanged() throws Exception {
        // Longer than the column in which Seata's own server keeps it.
        String account = "köln-北京-🚀-\"quoted\"-\\-".repeat(200);
        Global committed = Global.begin().run(() -> order(account));
        committed.commit();
        assertEquals("ink|3|9007199254740993|12.50|[\"blue\",\"permanent\"]", normalized(stockParticipant.remembered));
        assertEquals(account, paymentParticipant.remembered);

        stockParticipant.remembered = null;
        paymentParticipant.remembered = null;
        Global rolledBack = Global.begin().run(() -> order(account));
        rolledBack.rollback();
        assertEquals("ink|3|9007199254740993|12.50|[\"blue\",\"permanent\"]", normalized(stockParticipant.remembered));
        assertEquals(account, paymentParticipant.remembered);
    }

    /** A confirm that answers false, and one that throws, are called again until they succeed. */
    @Test
    void confirmIsRetriedUntilItSucceeds() throws Exception {
        stockParticipant.failures = 2;
        paymentParticipant.failures = 2;
        Global global = Global.begin().run(TccTest::order);
        global.commit();

        assertTrue(Global.COMMIT.contains(global.answer()), "answer " + global.answer());
        Eventually.equal(true, () -> ended(global), "the transaction has ended");
        assertEquals(3, count("confirm stock"));
        assertEquals(3, count("confirm payment"));
        assertEquals(6, CALLS.size());
    }

    @Test
    void cancelIsRetriedUntilItSucceeds() throws Exception {
        stockParticipant.failures = 2;
        paymentParticipant.failures = 2;
        Global global = Global.begin().run(TccTest::order);
        global.rollback();

        assertTrue(Global.ROLLBACK.contains(global.answer()), "answer " + global.answer());
        Eventually.equal(true, () -> ended(global), "the transaction has ended");
        assertEquals(3, count("cancel stock"));
        assertEquals(3, count("cancel payment"));
        assertEquals(6, CALLS.size());
    }

    /** Both kinds of branches in one transaction. */
    @Test
    void actionsJoinAnAtTransaction() throws Exception {
        Schema bank = new Schema("tcc");
        bank.execute("INSERT INTO account VALUES (1, 'Alice', 100)");
        String addOne = "UPDATE account SET balance = balance + 1";

        Global committed = Global.begin().run(() -> {
            Schema.run(bank.at(), addOne);
            order();
        });
        committed.commit();
        assertEquals(List.of("confirm stock", "confirm payment"), CALLS);
        bank.assertNothingLeft();

        CALLS.clear();
        Global rolledBack = Global.begin().run(() -> {
            order();
            Schema.run(bank.at(), addOne);
        });
        rolledBack.rollback();
        assertEquals(List.of("cancel payment", "cancel stock"), CALLS);
        assertEquals(101, bank.number("SELECT balance FROM account"));
        bank.assertNothingLeft();
    }

    private static void order() {
        order("Alice");
    }

    private static void order(String account) {
        // The number is beyond what a JavaScript number holds: a coordinator that parses the context would change it.
        stock.reserve(null, "ink", 3, 9_007_199_254_740_993L, new BigDecimal("12.50"), List.of("blue", "permanent"));
        payment.authorize(null, account);
    }

    private static String normalized(String remembered) {
        return remembered == null ? null : remembered.replace("[blue, permanent]", "[\"blue\",\"permanent\"]");
    }

    private static boolean ended(Global global) {
        return !Conformance.coordinator().liveTransactions().contains(global.xid());
    }

    private static long count(String call) {
        return CALLS.stream().filter(call::equals).count();
    }
}
