-- OTLP metrics as they arrived: one row is one journal segment, all its requests nested in it. The table keeps nothing
-- (Null), its materialized view turns the row into data points. Types mirror collector/load/otlp.proto: `data` and `value` say
-- which member of a oneof is set, an optional field that was not sent is NULL.
CREATE TABLE IF NOT EXISTS otel.otlp_metrics
(
  segment String,
  requests Array(Tuple(
    tenant String,
    received_unix_nano UInt64,
    peer String,
    metrics Tuple(resource_metrics Array(Tuple(
      resource Tuple(attributes Array(Tuple(key String, value Tuple(
        value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
        array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
        kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
      ))), dropped_attributes_count UInt32),
      scope_metrics Array(Tuple(
        scope Tuple(name String, version String, attributes Array(Tuple(key String, value Tuple(
          value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
          array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
          kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
        ))), dropped_attributes_count UInt32),
        metrics Array(Tuple(
          name String, description String, unit String, data Int8,
          metadata Array(Tuple(key String, value Tuple(
            value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
            array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
            kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
          ))),
          gauge Tuple(
            data_points Array(Tuple(
              start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32,
              value Int8, as_double Float64, as_int Int64,
              attributes Array(Tuple(key String, value Tuple(
                value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
              ))),
              exemplars Array(Tuple(
                time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, span_id String, trace_id String,
                filtered_attributes Array(Tuple(key String, value Tuple(
                  value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                  array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                  kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
                )))
              ))
            ))
          ),
          sum Tuple(
            aggregation_temporality Int32, is_monotonic UInt8,
            data_points Array(Tuple(
              start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32,
              value Int8, as_double Float64, as_int Int64,
              attributes Array(Tuple(key String, value Tuple(
                value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
              ))),
              exemplars Array(Tuple(
                time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, span_id String, trace_id String,
                filtered_attributes Array(Tuple(key String, value Tuple(
                  value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                  array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                  kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
                )))
              ))
            ))
          ),
          histogram Tuple(
            aggregation_temporality Int32,
            data_points Array(Tuple(
              start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32,
              count UInt64, sum Nullable(Float64), min Nullable(Float64), max Nullable(Float64), bucket_counts Array(UInt64), explicit_bounds Array(Float64),
              attributes Array(Tuple(key String, value Tuple(
                value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
              ))),
              exemplars Array(Tuple(
                time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, span_id String, trace_id String,
                filtered_attributes Array(Tuple(key String, value Tuple(
                  value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                  array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                  kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
                )))
              ))
            ))
          ),
          exponential_histogram Tuple(
            aggregation_temporality Int32,
            data_points Array(Tuple(
              start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32,
              count UInt64, sum Nullable(Float64), min Nullable(Float64), max Nullable(Float64), scale Int32, zero_count UInt64, zero_threshold Float64,
              positive Tuple(offset Int32, bucket_counts Array(UInt64)), negative Tuple(offset Int32, bucket_counts Array(UInt64)),
              attributes Array(Tuple(key String, value Tuple(
                value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
              ))),
              exemplars Array(Tuple(
                time_unix_nano UInt64, value Int8, as_double Float64, as_int Int64, span_id String, trace_id String,
                filtered_attributes Array(Tuple(key String, value Tuple(
                  value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                  array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                  kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
                )))
              ))
            ))
          ),
          summary Tuple(
            data_points Array(Tuple(
              start_time_unix_nano UInt64, time_unix_nano UInt64, flags UInt32,
              count UInt64, sum Float64, quantile_values Array(Tuple(quantile Float64, value Float64)),
              attributes Array(Tuple(key String, value Tuple(
                value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String,
                array_value Tuple(values Array(Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))),
                kvlist_value Tuple(values Array(Tuple(key String, value Tuple(value Int8, string_value String, bool_value UInt8, int_value Int64, double_value Float64, bytes_value String, array_value String, kvlist_value String))))
              )))
            ))
          )
        )),
        schema_url String
      )),
      schema_url String
    )))
  ))
)
ENGINE = Null
