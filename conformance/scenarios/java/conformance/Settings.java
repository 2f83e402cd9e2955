package conformance;

/** What a run is told from outside: a system property, or else an environment variable of the same name. */
final class Settings {
    private Settings() {
    }

    static String get(String name, String otherwise) {
        String value = System.getProperty(name, System.getenv(name));
        return value == null || value.isEmpty() ? otherwise : value;
    }

    static String require(String name) {
        String value = get(name, null);
        if (value == null) {
            throw new IllegalStateException(name + " is not set; run.sh sets what the scenarios need");
        }
        return value;
    }
}
