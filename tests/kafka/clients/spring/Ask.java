// java -cp 'jars/*' Ask.java BOOTSTRAP REQUESTS REPLIES FILE: sends each {key, value} of the file's JSON lines by Spring's
// ReplyingKafkaTemplate, all at once, and prints what its future gave for each, in their order, as a JSON line:
// {"value": the reply or null, "error": what the future failed with or null}.
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.kafka.requestreply.RequestReplyFuture;

public class Ask {
    public static void main(String[] args) throws Exception {
        String bootstrap = args[0], requests = args[1], replies = args[2];
        var json = new ObjectMapper();
        Map<String, Object> sending = Map.of("bootstrap.servers", bootstrap);
        Map<String, Object> reading = Map.of("bootstrap.servers", bootstrap, "group.id", UUID.randomUUID().toString());
        var consumers = new DefaultKafkaConsumerFactory<>(reading, new StringDeserializer(), new StringDeserializer());
        var producers = new DefaultKafkaProducerFactory<>(sending, new StringSerializer(), new StringSerializer());
        var container = new KafkaMessageListenerContainer<>(consumers, new ContainerProperties(replies));
        var template = new ReplyingKafkaTemplate<>(producers, container);
        template.setDefaultReplyTimeout(Duration.ofSeconds(60));
        template.setReplyErrorChecker(reply -> {
            var error = reply.headers().lastHeader("error");
            return error == null ? null : new IllegalArgumentException(new String(error.value()) + ": " + reply.value());
        });
        template.start();
        if (!template.waitForAssignment(Duration.ofSeconds(60))) throw new IllegalStateException("no assignment in 60 s");

        List<RequestReplyFuture<String, String, String>> futures = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(args[3]))) {
            JsonNode asked = json.readTree(line);
            String key = asked.get("key").asText(), value = asked.get("value").asText();
            futures.add(template.sendAndReceive(new ProducerRecord<>(requests, key, value)));
        }
        for (var future : futures) {
            var said = json.createObjectNode();
            try {
                said.put("value", future.get().value()).putNull("error");
            } catch (ExecutionException failed) {
                said.putNull("value").put("error", failed.getCause().getMessage());
            }
            System.out.println(said);
        }
        template.stop();
        template.destroy(); // its timer keeps the process alive
        producers.destroy();
    }
}
