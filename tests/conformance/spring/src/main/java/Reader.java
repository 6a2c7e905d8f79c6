import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.context.annotation.Configuration;

/** An application whose properties are in a vault. Prints a line for each thing that works. */
@Configuration
public class Reader {
    public static void main(String[] arguments) {
        var application = new SpringApplication(Reader.class);
        application.setWebApplicationType(WebApplicationType.NONE);
        try (var context = application.run(arguments)) {
            var properties = context.getEnvironment();
            check("reads", "a password from the vault".equals(properties.getProperty("shop.db.password")));
            check("misses", properties.getProperty("shop.none") == null);
        }
    }

    private static void check(String name, boolean holds) {
        if (!holds) throw new AssertionError(name);
        System.out.println("ok " + name);
    }
}
