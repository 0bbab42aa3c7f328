-- Settings of each tenant, the row of tenant '' holds for those without one, or with 0. The collector writes them when it starts
-- (--session-idle-seconds, --tenant-idle-seconds).
CREATE TABLE IF NOT EXISTS otel.tenant_settings
(
  tenant String,
  session_idle_seconds Float64,
  updated_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY tenant
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
