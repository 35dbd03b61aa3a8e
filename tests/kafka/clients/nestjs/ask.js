// node ask.js BOOTSTRAP REQUESTS FILE: sends each {key, value} of the file's JSON lines by a ClientKafka, all at once, and
// prints what send() gave for each, in their order: {"value": the reply or null, "error": what it threw or null}.
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { ClientKafka } from '@nestjs/microservices';
import kafkajs from 'kafkajs';
import { firstValueFrom, timeout } from 'rxjs';

const [bootstrap, requests, file] = process.argv.slice(2);
const asked = readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const client = new ClientKafka({
  client: { brokers: [bootstrap], logLevel: kafkajs.logLevel.ERROR },
  consumer: { groupId: `shop-${process.pid}` },
  producer: { createPartitioner: kafkajs.Partitioners.DefaultPartitioner },
});
client.subscribeToResponseOf(requests);
await client.connect();
const replies = await Promise.all(
  asked.map((request) =>
    firstValueFrom(client.send(requests, request).pipe(timeout(60_000))).then(
      (value) => ({ value: JSON.stringify(value), error: null }),
      (error) => ({ value: null, error: error instanceof Error ? String(error) : JSON.stringify(error) }),
    ),
  ),
);
for (const reply of replies) console.log(JSON.stringify(reply));
await client.close();
