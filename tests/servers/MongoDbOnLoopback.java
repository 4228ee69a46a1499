import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.BsonTimestamp;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.time.Instant;
import java.util.List;

/** mongo-java-server with a log of changes: the arguments are the file it keeps, and the port. */
public final class MongoDbOnLoopback {
    private static final int MILLISECONDS_LOST_IN_A_CRASH = 20;

    public static void main(String[] arguments) throws Exception {
        H2Backend backend = new TimedBackend(arguments[0]);
        backend.version(new MongoDb44());
        backend.getMvStore().setAutoCommitDelay(MILLISECONDS_LOST_IN_A_CRASH);
        MongoServer server = new MongoServer(backend);
        server.enableOplog();
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", Integer.parseInt(arguments[1]));
    }

    /** Answers with the time of each operation, which clients want before they watch a collection. */
    private static final class TimedBackend extends H2Backend {
        TimedBackend(String file) {
            super(file);
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            Document answer = super.handleMessage(message);
            answer.putIfAbsent("operationTime", new BsonTimestamp(Instant.now(), 0));
            return answer;
        }
    }

    /** The oldest version that clients accept; it would call itself an older one. */
    private static final class MongoDb44 implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    }
}
