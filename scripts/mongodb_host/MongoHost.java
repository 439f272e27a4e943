import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Decimal128;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/** A MongoDB wire-protocol server on H2: {@code MongoHost PORT FILE}. */
public final class MongoHost {

  /**
   * Has written a command to its file before it answers; the library alone writes once a second.
   *
   * <p>The library compares numbers as doubles, so it takes a decimal that differs in the 17th digit for what is there
   * already and does not store it. Here such a field is taken out first, and nobody sees the document without it.
   */
  private static final class Durable extends H2Backend {
    private final ReadWriteLock halfway = new ReentrantReadWriteLock();

    Durable(String file) {
      super(file);
    }

    @Override
    public Document handleMessage(MongoMessage message) {
      List<Document> removals = removalsOfDecimals(message.getDocument());
      Lock lock = removals.isEmpty() ? halfway.readLock() : halfway.writeLock();
      lock.lock();
      try {
        if (!removals.isEmpty()) {
          Document first = new Document("update", message.getDocument().get("update"));
          first.put("updates", removals);
          first.put("ordered", false);
          first.put("$db", message.getDatabaseName());
          super.handleMessage(new MongoMessage(message.getChannel(), message.getHeader(), first));
        }
        Document answer = super.handleMessage(message);
        if (getMvStore().hasUnsavedChanges()) {
          commit();
        }
        return answer;
      } finally {
        lock.unlock();
      }
    }

    /** Only where no update depends on the success of the one before it. */
    private static List<Document> removalsOfDecimals(Document command) {
      List<Document> removals = new ArrayList<>();
      if (command.get("update") != null && command.get("updates") instanceof Collection<?> updates
          && (updates.size() == 1 || Boolean.FALSE.equals(command.get("ordered")))) {
        for (Object update : updates) {
          addRemoval((Document) update, removals);
        }
      }
      return removals;
    }

    private static void addRemoval(Document update, List<Document> removals) {
      if (update.get("u") instanceof Document change && change.get("$set") instanceof Document values) {
        Document names = new Document();
        Document query = (Document) update.get("q");
        values.forEach((name, value) -> {
          if (value instanceof Decimal128 && !query.containsKey(name)) {
            names.put(name, "");
          }
        });
        if (!names.isEmpty()) {
          Document removal = new Document("q", query);
          removal.put("u", new Document("$unset", names));
          removal.put("multi", Boolean.TRUE.equals(update.get("multi")));
          removals.add(removal);
        }
      }
    }
  }

  /** Drivers of today refuse the version that the library reports by itself. */
  private static final MongoVersion VERSION =
      new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
          return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
          return 13;
        }
      };

  public static void main(String[] arguments) throws Exception {
    MongoServer server = new MongoServer(new Durable(arguments[1]).version(VERSION));
    server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
    Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    Thread.currentThread().join();
  }
}
