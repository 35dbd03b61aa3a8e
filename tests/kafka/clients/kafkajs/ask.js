// node ask.js BOOTSTRAP REQUESTS REPLIES FILE: sends each {key, value} of the file's JSON lines as a request, all at
// once, and prints what came back for each, in their order: {"value": the reply, "error": its error header or null}.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import kafkajs from 'kafkajs';

const { Kafka, Partitioners, logLevel } = kafkajs;
const [bootstrap, requests, replies, file] = process.argv.slice(2);
const asked = readFileSync(file, 'utf8').trim().split('\n').map((line) => ({ id: randomUUID(), ...JSON.parse(line) }));
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR });
const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
const consumer = kafka.consumer({ groupId: randomUUID() });
const answered = new Map();

await producer.connect();
await consumer.subscribe({ topic: replies, fromBeginning: true });
const all = new Promise((resolve, reject) => {
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  setTimeout(() => reject(new Error(`${answered.size} of ${asked.length} replies in 60 s`)), 60_000).unref();
  consumer.run({
    eachMessage: async ({ message }) => {
      const id = message.headers.kafka_correlationId?.toString();
      if (!asked.some((request) => request.id === id)) return;
      answered.set(id, { value: message.value.toString(), error: message.headers.error?.toString() ?? null });
      if (answered.size === asked.length) resolve();
    },
  });
});
await producer.send({
  topic: requests,
  messages: asked.map(({ id, key, value }) => ({ key, value, headers: { kafka_correlationId: id, kafka_replyTopic: replies } })),
});
await all;
for (const { id } of asked) console.log(JSON.stringify(answered.get(id)));
await Promise.all([producer.disconnect(), consumer.disconnect()]);
