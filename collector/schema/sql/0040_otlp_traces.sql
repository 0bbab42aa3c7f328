-- OTLP traces as they arrived: one row is one journal segment, all its requests nested in it. The table keeps nothing
-- (Null), its materialized view turns the row into otel_traces. Types mirror collector/load/otlp.proto.
CREATE TABLE IF NOT EXISTS otel.otlp_traces
(
  segment String,
  requests Array(Tuple(
    tenant String,
    received_unix_nano UInt64,
    peer String,
    traces Tuple(resource_spans Array(Tuple(
      resource Tuple(attributes Array(Tuple(key String, value Tuple(
        value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
        array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
        kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
      ))), dropped_attributes_count UInt32),
      scope_spans Array(Tuple(
        scope Tuple(name String, version String, attributes Array(Tuple(key String, value Tuple(
          value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
          array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
          kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
        ))), dropped_attributes_count UInt32),
        spans Array(Tuple(
          trace_id String, span_id String, trace_state String, parent_span_id String, name String, kind Int32,
          start_time_unix_nano UInt64, end_time_unix_nano UInt64,
          attributes Array(Tuple(key String, value Tuple(
            value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
            kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
          ))),
          dropped_attributes_count UInt32,
          events Array(Tuple(
            time_unix_nano UInt64, name String,
            attributes Array(Tuple(key String, value Tuple(
              value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
              array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
              kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
            ))),
            dropped_attributes_count UInt32
          )),
          dropped_events_count UInt32,
          links Array(Tuple(
            trace_id String, span_id String, trace_state String,
            attributes Array(Tuple(key String, value Tuple(
              value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
              array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
              kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
            ))),
            dropped_attributes_count UInt32, flags UInt32
          )),
          dropped_links_count UInt32,
          status Tuple(message String, code Int32),
          flags UInt32
        )),
        schema_url String
      )),
      schema_url String
    )))
  ))
)
ENGINE = Null
