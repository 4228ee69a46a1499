import java.io.FileInputStream;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import org.apache.activemq.broker.BrokerPlugin;
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.SslContext;
import org.apache.activemq.broker.region.policy.IndividualDeadLetterStrategy;
import org.apache.activemq.broker.region.policy.PolicyEntry;
import org.apache.activemq.broker.region.policy.PolicyMap;
import org.apache.activemq.security.AuthenticationUser;
import org.apache.activemq.security.SimpleAuthenticationPlugin;

/** An ActiveMQ broker: the arguments are its directory, its user, the password, and the addresses it listens on. */
public final class ActiveMqOnLoopback {
    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        var login = new AuthenticationUser(arguments[1], arguments[2], "users");
        BrokerService broker = new BrokerService();
        broker.setBrokerName("eventflow");
        broker.setDataDirectory(directory.resolve("data").toString());
        broker.setUseJmx(false);
        broker.setSchedulerSupport(true);
        broker.setSslContext(sslContext(directory.resolve("keystore.p12"), arguments[2]));
        broker.setDestinationPolicy(deadLetterQueues());
        broker.setPlugins(new BrokerPlugin[] {new SimpleAuthenticationPlugin(List.of(login))});
        for (int i = 3; i < arguments.length; i++) {
            broker.addConnector(arguments[i]);
        }
        broker.start();
        broker.waitUntilStopped();
    }

    private static SslContext sslContext(Path file, String password) throws Exception {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (var content = new FileInputStream(file.toFile())) {
            keys.load(content, password.toCharArray());
        }
        var managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(keys, password.toCharArray());
        return new SslContext(managers.getKeyManagers(), null, null);
    }

    /** One for each queue, so that tests that share the broker do not share it. */
    private static PolicyMap deadLetterQueues() {
        var strategy = new IndividualDeadLetterStrategy();
        strategy.setQueuePrefix("DLQ.");
        var policy = new PolicyEntry();
        policy.setQueue(">");
        policy.setPrioritizedMessages(true);
        policy.setDeadLetterStrategy(strategy);
        var policies = new PolicyMap();
        policies.setPolicyEntries(List.of(policy));
        return policies;
    }
}
