// Publishes a task as Avro and waits for its result: java -cp 'lib/*' FlotillaClient.java "What is 2 to the power of 100?"
//
// Confluent's serializers do what `Registry` does here, where their repository can be reached. A service that takes
// many results reads tasks.completed in a consumer group, and recognises a repeated result by its task id.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class FlotillaClient {
  static final String BROKERS = env("KAFKA_BROKERS", "localhost:9092");
  static final String REGISTRY = env("SCHEMA_REGISTRY_URL", "http://localhost:8081");
  static final String PREFIX = env("FLOTILLA_PREFIX", "flotilla");
  static final String SUBMITTED = PREFIX + ".tasks.submitted";
  static final String COMPLETED = PREFIX + ".tasks.completed";
  static final Duration TIMEOUT = Duration.ofSeconds(120);
  static final ObjectMapper JSON = new ObjectMapper();

  static String env(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  /** Confluent's wire format: a zero byte, the schema's id in four bytes, the body. */
  static final class Registry {
    private final HttpClient http = HttpClient.newHttpClient();
    private final Map<Integer, Schema> schemas = new HashMap<>();

    JsonNode get(String path) throws Exception {
      var request = HttpRequest.newBuilder(URI.create(REGISTRY + path)).timeout(Duration.ofSeconds(30)).build();
      var response = http.send(request, HttpResponse.BodyHandlers.ofString());
      if (response.statusCode() != 200)
        throw new IllegalStateException(path + ": the registry answers " + response.statusCode());
      return JSON.readTree(response.body());
    }

    byte[] encode(String subject, Map<String, Object> fields) throws Exception {
      JsonNode latest = get("/subjects/" + subject + "/versions/latest");
      Schema schema = new Schema.Parser().parse(latest.get("schema").asText());
      // Fields that are not set take their defaults.
      var builder = new GenericRecordBuilder(schema);
      fields.forEach(builder::set);
      var bytes = new ByteArrayOutputStream();
      bytes.write(0);
      bytes.write(ByteBuffer.allocate(4).putInt(latest.get("id").asInt()).array());
      var encoder = EncoderFactory.get().binaryEncoder(bytes, null);
      new GenericDatumWriter<GenericData.Record>(schema).write(builder.build(), encoder);
      encoder.flush();
      return bytes.toByteArray();
    }

    GenericRecord decode(byte[] value) throws Exception {
      ByteBuffer bytes = ByteBuffer.wrap(value);
      if (bytes.get() != 0) throw new IllegalStateException("the value is not in Confluent's wire format");
      int id = bytes.getInt();
      Schema schema = schemas.get(id);
      if (schema == null) {
        schema = new Schema.Parser().parse(get("/schemas/ids/" + id).get("schema").asText());
        schemas.put(id, schema);
      }
      var decoder = DecoderFactory.get().binaryDecoder(value, bytes.position(), bytes.remaining(), null);
      return new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
    }
  }

  static GenericRecord resultOf(String taskId, KafkaConsumer<String, byte[]> consumer, Registry registry)
      throws Exception {
    for (Instant until = Instant.now().plus(TIMEOUT); Instant.now().isBefore(until); ) {
      for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1)))
        if (taskId.equals(record.key())) return registry.decode(record.value());
    }
    throw new IllegalStateException("task " + taskId + " has no result after " + TIMEOUT.toSeconds() + " s");
  }

  public static void main(String[] args) throws Exception {
    if (args.length != 1) {
      System.err.println("usage: java -cp 'lib/*' FlotillaClient.java \"what the agent is asked to do\"");
      System.exit(2);
    }
    var registry = new Registry();
    Map<String, Object> reading =
        Map.of(
            ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, BROKERS,
            // Not the default: records of aborted transactions are results that never happened.
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    Map<String, Object> writing =
        Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, BROKERS, ProducerConfig.ACKS_CONFIG, "all");
    try (var consumer = new KafkaConsumer<>(reading, new StringDeserializer(), new ByteArrayDeserializer());
        var producer = new KafkaProducer<>(writing, new StringSerializer(), new ByteArraySerializer())) {
      // The end of the topic is noted before the task is published, so that its result can't be missed.
      List<TopicPartition> partitions =
          consumer.partitionsFor(COMPLETED).stream().map(p -> new TopicPartition(COMPLETED, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToEnd(partitions);
      partitions.forEach(consumer::position);

      String taskId = UUID.randomUUID().toString();
      byte[] task = registry.encode(SUBMITTED + "-value", Map.of("text", args[0], "taskId", taskId));
      producer.send(new ProducerRecord<>(SUBMITTED, task)).get();

      GenericRecord result = resultOf(taskId, consumer, registry);
      var shown = JSON.createObjectNode().put("taskId", taskId).put("status", result.get("status").toString());
      // Fields of type Json hold JSON text.
      shown.set("output", JSON.readTree(result.get("output").toString()));
      System.out.println(shown);
    }
  }
}
