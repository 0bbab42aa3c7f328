-- What is about to be removed, found before anything of it is gone. Of an erasure: the sessions and traces that are the user's
-- alone, single spans of others, the groups of aggregates that have to be counted anew. Of the retention: the segments of the
-- journal, or the keys of the rows, that are in a file of the archive. Empty while nothing is being removed.
CREATE TABLE IF NOT EXISTS otel.removal_scope
(
  job String,
  kind LowCardinality(String) COMMENT 'session, trace, span, archived, or the name of an aggregate',
  id String COMMENT 'of the session or trace, name of the segment, or the key of a group or row as text',
  span String COMMENT 'of a span',
  whole Bool COMMENT 'whether otel_traces had every row of the group when it was found',
  found_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (job, kind, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
