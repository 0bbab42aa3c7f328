// Asks the SQL port with ClickHouse's JDBC driver and its defaults, as DBeaver does; prints "name<TAB>what it got".
import java.sql.*;
import java.util.*;

public class Client {
    interface Run { Object run() throws Exception; }

    static void record(String name, Run run) {
        Object got;
        try { got = run.run(); } catch (Throwable error) { got = "error: " + error.getMessage(); }
        System.out.println(name + "\t" + String.valueOf(got).replaceAll("\\s+", " "));
    }

    static List<String> column(ResultSet rows, String... names) throws SQLException {
        List<String> found = new ArrayList<>();
        while (rows.next()) {
            List<String> row = new ArrayList<>();
            for (String name : names) row.add(rows.getString(name));
            found.add(String.join(":", row));
        }
        return found;
    }

    static long count(ResultSet rows) throws SQLException {
        long found = 0;
        while (rows.next()) found++;
        return found;
    }

    public static void main(String[] given) throws Exception {
        Class.forName("com.clickhouse.jdbc.Driver");
        String url = "jdbc:clickhouse:http://" + given[0] + "/otel";
        Properties how = new Properties();
        how.setProperty("user", "default");
        how.setProperty("password", given.length > 1 ? given[1] : "");
        Connection to = DriverManager.getConnection(url, how);
        DatabaseMetaData about = to.getMetaData();
        record("version", () -> about.getDatabaseProductVersion());
        record("valid", () -> to.isValid(5));
        record("many", () -> count(to.createStatement().executeQuery("SELECT number, toString(number) FROM numbers(100000)")));
        record("empty", () -> to.createStatement().executeQuery("SELECT id, word FROM words WHERE 0").getMetaData().getColumnName(2));
        record("prepared", () -> {
            PreparedStatement statement = to.prepareStatement("SELECT kind FROM words WHERE word = ? AND id > ?");
            statement.setString(1, "word5");
            statement.setInt(2, 1);
            return column(statement.executeQuery(), "kind");
        });
        record("types", () -> {
            ResultSet row = to.createStatement().executeQuery(
                "SELECT toDecimal64(1.5, 2), true, NULL::Nullable(Int8), toUInt64('18446744073709551615'), toDate('2024-02-03'), map('a', 1)");
            row.next();
            List<String> found = new ArrayList<>();
            for (int at = 1; at <= 6; at++) found.add(String.valueOf(row.getObject(at)));
            return found;
        });
        record("tables", () -> column(about.getTables(null, "otel", "%", null), "TABLE_NAME", "TABLE_TYPE"));
        record("columns", () -> column(about.getColumns(null, "otel", "words", null), "COLUMN_NAME", "TYPE_NAME"));
        record("schemas", () -> column(about.getSchemas(), "TABLE_SCHEM"));
        record("types known", () -> count(about.getTypeInfo()) > 30);
        record("keys", () -> column(about.getPrimaryKeys(null, "otel", "words"), "COLUMN_NAME"));
        record("indexes", () -> count(about.getIndexInfo(null, "otel", "words", false, true)));
        record("functions", () -> count(about.getFunctions(null, null, "%")) > 1000);
        record("use", () -> to.createStatement().execute("USE system"));
        record("set", () -> to.createStatement().execute("SET max_threads = 1"));
        record("schema", () -> {
            to.setSchema("system");
            return column(to.createStatement().executeQuery("SELECT currentDatabase() AS now"), "now");
        });
        record("rows at most", () -> {
            Statement statement = to.createStatement();
            statement.setMaxRows(5);
            return count(statement.executeQuery("SELECT number FROM numbers(100)"));
        });
        record("error", () -> to.createStatement().executeQuery("SELECT nothing"));
        record("insert", () -> to.createStatement().executeUpdate("INSERT INTO otel.words VALUES (1, 'a', 'b')"));
        record("a wrong key", () -> {
            how.setProperty("password", "wrong");
            return DriverManager.getConnection(url, how).createStatement().executeQuery("SELECT 1");
        });
        System.exit(0);
    }
}
