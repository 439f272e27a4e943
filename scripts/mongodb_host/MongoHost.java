import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.CursorRegistry;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.h2.H2Database;
import de.bwaldvogel.mongo.bson.Decimal128;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.KeyConstraintError;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.h2.mvstore.MVStore;

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
    protected MongoDatabase openOrCreateDatabase(String name) {
      return new IndexedDatabase(name, getMvStore(), getCursorRegistry());
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

  /** The library goes by an index only where a query names its keys and nothing else, and reads every document else. */
  private static final class IndexedDatabase extends H2Database {
    IndexedDatabase(String name, MVStore store, CursorRegistry cursors) {
      super(name, store, cursors);
    }

    @Override
    protected Index<Object> openOrCreateUniqueIndex(
        String collection, String name, List<IndexKey> keys, boolean sparse) {
      return new WillingIndex(super.openOrCreateUniqueIndex(collection, name, keys, sparse), name, keys, sparse);
    }
  }

  /** Finds documents also for queries that ask for more than its keys; the collection compares the rest. */
  private static final class WillingIndex extends Index<Object> {
    private final Index<Object> inner;

    WillingIndex(Index<Object> inner, String name, List<IndexKey> keys, boolean sparse) {
      super(name, keys, sparse);
      this.inner = inner;
    }

    @Override
    public boolean canHandle(Document query) {
      Document own = new Document();
      for (String key : keys()) {
        if (!query.containsKey(key)) {
          return false;
        }
        own.put(key, query.get(key));
      }
      return inner.canHandle(own);
    }

    @Override
    public Iterable<Object> getPositions(Document query) {
      return inner.getPositions(query);
    }

    @Override
    public Object getPosition(Document document) {
      return inner.getPosition(document);
    }

    @Override
    public void checkAdd(Document document, MongoCollection<Object> collection) {
      inner.checkAdd(document, collection);
    }

    @Override
    public void add(Document document, Object position, MongoCollection<Object> collection) {
      inner.add(document, position, collection);
    }

    @Override
    public Object remove(Document document) {
      return inner.remove(document);
    }

    @Override
    public void checkUpdate(Document before, Document after, MongoCollection<Object> collection) {
      inner.checkUpdate(before, after, collection);
    }

    @Override
    public void updateInPlace(Document before, Document after, Object position, MongoCollection<Object> collection)
        throws KeyConstraintError {
      inner.updateInPlace(before, after, position, collection);
    }

    @Override
    public long getCount() {
      return inner.getCount();
    }

    @Override
    public long getDataSize() {
      return inner.getDataSize();
    }

    @Override
    public boolean isUnique() {
      return inner.isUnique();
    }

    @Override
    public void drop() {
      inner.drop();
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
