-- OTLP logs as they arrived: one row is one journal segment, all its requests nested in it. The table keeps nothing
-- (Null), its materialized view turns the row into otel_logs. Types mirror collector/load/otlp.proto.
CREATE TABLE IF NOT EXISTS otel.otlp_logs
(
  segment String,
  requests Array(Tuple(
    tenant String,
    received_unix_nano UInt64,
    peer String,
    logs Tuple(resource_logs Array(Tuple(
      resource Tuple(attributes Array(Tuple(key String, value Tuple(
        value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
        array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
        kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
      ))), dropped_attributes_count UInt32),
      scope_logs Array(Tuple(
        scope Tuple(name String, version String, attributes Array(Tuple(key String, value Tuple(
          value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
          array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
          kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
        ))), dropped_attributes_count UInt32),
        log_records Array(Tuple(
          time_unix_nano UInt64, observed_time_unix_nano UInt64, severity_number Int32, severity_text String,
          body Tuple(
            value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
            kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
          ),
          attributes Array(Tuple(key String, value Tuple(
            value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
            kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
          ))),
          dropped_attributes_count UInt32, flags UInt32, trace_id String, span_id String, event_name String
        )),
        schema_url String
      )),
      schema_url String
    )))
  ))
)
ENGINE = Null
