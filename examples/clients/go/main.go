// Publishes a task as plain JSON and waits for its result: go run . "What is 2 to the power of 100?"
//
// A service that takes many results reads tasks.completed in a consumer group instead, and recognises a repeated
// result by its task id.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

const timeout = 120 * time.Second

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

var (
	brokers   = env("KAFKA_BROKERS", "localhost:9092")
	registry  = env("SCHEMA_REGISTRY_URL", "http://localhost:8081")
	prefix    = env("FLOTILLA_PREFIX", "flotilla")
	submitted = prefix + ".tasks.submitted"
	completed = prefix + ".tasks.completed"
)

type task struct {
	Text   string `json:"text"`
	TaskID string `json:"taskId"`
}

type result struct {
	Status string `avro:"status"`
	// JSON text.
	Output string `avro:"output"`
}

// decode reads Confluent's wire format: a zero byte, the schema's id in four bytes, the body.
func decode(ctx context.Context, value []byte) (result, error) {
	var found result
	if len(value) < 5 || value[0] != 0 {
		return found, errors.New("the value is not in Confluent's wire format")
	}
	schema, err := schemaOf(ctx, binary.BigEndian.Uint32(value[1:5]))
	if err != nil {
		return found, err
	}
	return found, avro.Unmarshal(schema, value[5:], &found)
}

func schemaOf(ctx context.Context, id uint32) (avro.Schema, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/schemas/ids/%d", registry, id), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("schema %d: the registry answers %s", id, response.Status)
	}
	var body struct {
		Schema string `json:"schema"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return nil, err
	}
	return avro.Parse(body.Schema)
}

func run(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	// It reads from a minute ago on, so that the result can't be missed if the clocks of the two machines differ.
	reader, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ConsumeTopics(completed),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().Add(-time.Minute).UnixMilli())),
		// Records of aborted transactions are results that never happened.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		return err
	}
	defer reader.Close()

	id := rand.Text()
	value, err := json.Marshal(task{Text: text, TaskID: id})
	if err != nil {
		return err
	}
	record := &kgo.Record{Topic: submitted, Value: value}
	if err := reader.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("the task was not published: %w", err)
	}
	for {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("waiting for the result of task %s: %w", id, err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			record := records.Next()
			if string(record.Key) != id {
				continue
			}
			found, err := decode(ctx, record.Value)
			if err != nil {
				return err
			}
			return json.NewEncoder(os.Stdout).Encode(map[string]any{
				"taskId": id, "status": found.Status, "output": json.RawMessage(found.Output),
			})
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, `usage: go run . "what the agent is asked to do"`)
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
