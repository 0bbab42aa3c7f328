// Asks the SQL port with clickhouse-go over HTTP, as Grafana's data source does, and prints one JSON object.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

var got = map[string]map[string]any{}

func record(name string, run func() (any, error)) {
	value, err := run()
	got[name] = map[string]any{"value": value}
	if err != nil {
		got[name] = map[string]any{"error": err.Error()}
	}
}

func open(method clickhouse.CompressionMethod, password string) *sql.DB {
	return clickhouse.OpenDB(&clickhouse.Options{
		Addr:        []string{os.Args[1]},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: "otel", Username: "default", Password: password},
		Compression: &clickhouse.Compression{Method: method},
		DialTimeout: 10 * time.Second,
	})
}

func count(db *sql.DB, query string, arguments ...any) (any, error) {
	rows, err := db.Query(query, arguments...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		found++
	}
	return found, rows.Err()
}

func one(db *sql.DB, query string, arguments ...any) (any, error) {
	var text string
	err := db.QueryRow(query, arguments...).Scan(&text)
	return text, err
}

func main() {
	password := ""
	if len(os.Args) > 2 {
		password = os.Args[2]
	}
	many := "SELECT number, toString(number), now64(9), map('a', toLowCardinality('b')), [1, 2] FROM numbers(100000)"
	for name, method := range map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "gzip": clickhouse.CompressionGZIP, "lz4": clickhouse.CompressionLZ4,
		"zstd": clickhouse.CompressionZSTD, "deflate": clickhouse.CompressionDeflate, "br": clickhouse.CompressionBrotli,
	} {
		db := open(method, password)
		record(name+" ping", func() (any, error) { return true, db.Ping() })
		record(name+" one", func() (any, error) { return one(db, "SELECT word FROM words WHERE id = 7") })
		record(name+" many", func() (any, error) { return count(db, many) })
		record(name+" empty", func() (any, error) { return count(db, "SELECT id FROM words WHERE 0") })
		record(name+" error", func() (any, error) { return one(db, "SELECT nothing FROM words") })
		record(name+" half way", func() (any, error) {
			return count(db, "SELECT number, throwIf(number = 290000, 'half way') FROM numbers(300000)")
		})
		record(name+" bound", func() (any, error) {
			return one(db, "SELECT word FROM words WHERE id = {id:UInt64}", clickhouse.Named("id", "9"))
		})
		db.Close()
	}
	db := open(clickhouse.CompressionNone, password)
	record("deadline", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		rows, err := db.QueryContext(ctx, "SELECT sleepEachRow(0.1) FROM numbers(1000) SETTINGS max_block_size = 5")
		if err == nil {
			rows.Close()
		}
		return nil, err
	})
	record("settings", func() (any, error) {
		settings := clickhouse.Settings{"max_threads": 1, "session_timezone": "Asia/Tokyo"}
		ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(settings))
		var text string
		err := db.QueryRowContext(ctx, "SELECT timezone()").Scan(&text)
		return text, err
	})
	record("insert", func() (any, error) { return db.Exec("INSERT INTO words VALUES (1, 'a', 'b')") })
	record("a wrong key", func() (any, error) { return nil, open(clickhouse.CompressionNone, "wrong").Ping() })
	json.NewEncoder(os.Stdout).Encode(got)
}
