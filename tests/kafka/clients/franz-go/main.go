// main BOOTSTRAP REQUESTS REPLIES FILE: sends each {key, value} of the file's JSON lines as a request, all at once, and
// prints what came back for each, in their order: {"value": the reply, "error": its error header or null}.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type request struct{ Key, Value string }

type reply struct {
	Value string  `json:"value"`
	Error *string `json:"error"`
}

func main() {
	bootstrap, requests, replies := os.Args[1], os.Args[2], os.Args[3]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeTopics(replies),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	fatal(err)
	defer client.Close()

	file, err := os.Open(os.Args[4])
	fatal(err)
	var asked []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var r request
		fatal(json.Unmarshal(lines.Bytes(), &r))
		id := rand.Text()
		asked = append(asked, id)
		client.Produce(ctx, &kgo.Record{
			Topic: requests, Key: []byte(r.Key), Value: []byte(r.Value),
			Headers: []kgo.RecordHeader{
				{Key: "kafka_correlationId", Value: []byte(id)},
				{Key: "kafka_replyTopic", Value: []byte(replies)},
			},
		}, func(_ *kgo.Record, err error) { fatal(err) })
	}
	fatal(client.Flush(ctx))

	answered := map[string]reply{}
	for missing(asked, answered) {
		fetches := client.PollFetches(ctx)
		for _, problem := range fetches.Errors() {
			fatal(problem.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			id, found := "", reply{Value: string(record.Value)}
			for _, header := range record.Headers {
				value := string(header.Value)
				switch header.Key {
				case "kafka_correlationId":
					id = value
				case "error":
					found.Error = &value
				}
			}
			answered[id] = found
		})
	}
	for _, id := range asked {
		line, err := json.Marshal(answered[id])
		fatal(err)
		fmt.Println(string(line))
	}
}

func missing(asked []string, answered map[string]reply) bool {
	for _, id := range asked {
		if _, there := answered[id]; !there {
			return true
		}
	}
	return false
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
