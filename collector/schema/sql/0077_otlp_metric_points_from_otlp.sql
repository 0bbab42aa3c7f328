-- Segments become data points. What each point shares with others (its request, resource, scope and metric) is rendered once,
-- as in otel_traces_from_otlp, then unfolded: a row a metric, a row a point. Of a metric's five kinds one is set, the others are
-- empty: adding or joining them up gives the one, and what the kind does not have is filled up by the unaligned ARRAY JOIN.
--
-- One view that decodes and five that filter what it gives, because ClickHouse analyses each view's SELECT at every insert.
-- CPU time of an insert of one point, and of each point more in a batch of 20,000 (five attributes a point, all five kinds), all
-- in one run on two busy cores, chDB 4.4 (ClickHouse 26.9):
--   this                                                          190 ms, 15 us
--   one view that gives metrics, five that decode their points    370 ms, 10 us
--   five views that decode their own kind from the segment        650 ms, 11 us
--   this, written x.y instead of tupleElement(x, 'y')             410 ms, 15 us
-- So this is the cheapest up to 40,000 points a batch. The dot costs so much, of anything but a table's column, because the
-- analyser looks through all names below x for it.
CREATE MATERIALIZED VIEW IF NOT EXISTS otel.otlp_metric_points_from_otlp TO otel.otlp_metric_points AS
SELECT
  data,
  request.1 AS Tenant,
  fromUnixTimestamp64Nano(toInt64(request.2)) AS ReceivedAt,
  request.3 AS Peer,
  segment AS JournalSegment,
  resource.1 AS ResourceAttributes,
  resource.2 AS ResourceAttributeTypes,
  resource.3 AS ResourceDroppedAttributesCount,
  resource.4 AS ResourceSchemaUrl,
  resource.1['service.name'] AS ServiceName,
  scope.1 AS ScopeName,
  scope.2 AS ScopeVersion,
  scope.3 AS ScopeAttributes,
  scope.4 AS ScopeAttributeTypes,
  scope.5 AS ScopeDroppedAttrCount,
  scope.6 AS ScopeSchemaUrl,
  name AS MetricName,
  description AS MetricDescription,
  unit AS MetricUnit,
  maps[2] AS MetricMetadata,
  tupleElement(metadata, 'value').1 AS MetricMetadataTypes,
  temporality AS AggregationTemporality,
  monotonic AS IsMonotonic,
  maps[1] AS Attributes,
  tupleElement(attributes, 'value').1 AS AttributeTypes,
  fromUnixTimestamp64Nano(toInt64(start)) AS StartTimeUnix,
  fromUnixTimestamp64Nano(toInt64(time)) AS TimeUnix,
  flags AS Flags,
  arraySlice(maps, 3) AS `Exemplars.FilteredAttributes`,
  tupleElement(tupleElement(exemplars, 'filtered_attributes'), 'value').1 AS `Exemplars.FilteredAttributeTypes`,
  arrayMap(t -> fromUnixTimestamp64Nano(toInt64(t)), tupleElement(exemplars, 'time_unix_nano')) AS `Exemplars.TimeUnix`,
  arrayMap((t, i, d) -> if(t = 6, toFloat64(i), d), tupleElement(exemplars, 'value'), tupleElement(exemplars, 'as_int'), tupleElement(exemplars, 'as_double')) AS `Exemplars.Value`,
  tupleElement(exemplars, 'as_int') AS `Exemplars.ValueInt`,
  arrayMap(t -> if(t = 0, 2, t = 6), tupleElement(exemplars, 'value')) AS `Exemplars.ValueType`,
  arrayMap(i -> if(i = repeat('\0', 8), '', lower(hex(i))), tupleElement(exemplars, 'span_id')) AS `Exemplars.SpanId`,
  arrayMap(i -> if(i = repeat('\0', 16), '', lower(hex(i))), tupleElement(exemplars, 'trace_id')) AS `Exemplars.TraceId`,
  if(value = 6, toFloat64(as_int), as_double) AS Value,
  as_int AS ValueInt,
  if(value = 0, 2, value = 6) AS ValueType,
  count AS Count,
  ifNull(sum, 0) AS Sum,
  isNotNull(sum) AS HasSum,
  ifNull(min, 0) AS Min,
  isNotNull(min) AS HasMin,
  ifNull(max, 0) AS Max,
  isNotNull(max) AS HasMax,
  bucket_counts AS BucketCounts,
  explicit_bounds AS ExplicitBounds,
  scale AS Scale,
  zero_count AS ZeroCount,
  zero_threshold AS ZeroThreshold,
  positive.1 AS PositiveOffset,
  positive.2 AS PositiveBucketCounts,
  negative.1 AS NegativeOffset,
  negative.2 AS NegativeBucketCounts,
  quantile_values.1 AS `ValueAtQuantiles.Quantile`,
  quantile_values.2 AS `ValueAtQuantiles.Value`
FROM
(
  SELECT
    segment,
    request,
    resource,
    scope,
    data,
    name,
    description,
    unit,
    metadata,
    temporality,
    monotonic,
    attributes,
    start,
    time,
    flags,
    exemplars,
    value,
    as_double,
    as_int,
    count,
    sum,
    min,
    max,
    bucket_counts,
    explicit_bounds,
    scale,
    zero_count,
    zero_threshold,
    positive,
    negative,
    quantile_values,
    arrayMap(a -> otel_attributes(a), arrayConcat([attributes, metadata], tupleElement(exemplars, 'filtered_attributes'))) AS maps
  FROM
  (
    SELECT
      segment,
      request,
      resource,
      scope,
      tupleElement(metric, 'data') AS data,
      tupleElement(metric, 'name') AS name,
      tupleElement(metric, 'description') AS description,
      tupleElement(metric, 'unit') AS unit,
      tupleElement(metric, 'metadata') AS metadata,
      tupleElement(tupleElement(metric, 'sum'), 'aggregation_temporality') + tupleElement(tupleElement(metric, 'histogram'), 'aggregation_temporality') + tupleElement(tupleElement(metric, 'exponential_histogram'), 'aggregation_temporality') AS temporality,
      tupleElement(tupleElement(metric, 'sum'), 'is_monotonic') AS monotonic,
      arrayConcat(tupleElement(tupleElement(metric, 'gauge'), 'data_points'), tupleElement(tupleElement(metric, 'sum'), 'data_points')) AS numbers,
      tupleElement(tupleElement(metric, 'histogram'), 'data_points') AS histograms,
      tupleElement(tupleElement(metric, 'exponential_histogram'), 'data_points') AS exponentials,
      tupleElement(tupleElement(metric, 'summary'), 'data_points') AS summaries
    FROM
    (
      SELECT
        segment,
        metrics,
        otel_repeat(of_request, heads) AS request,
        otel_repeat(of_resource, arrayMap((r, u) -> (otel_attributes(tupleElement(r, 'attributes')), tupleElement(tupleElement(r, 'attributes'), 'value').1, tupleElement(r, 'dropped_attributes_count'), u), resources, resource_urls)) AS resource,
        otel_repeat(of_scope, arrayMap((s, u) -> (tupleElement(s, 'name'), tupleElement(s, 'version'), otel_attributes(tupleElement(s, 'attributes')), tupleElement(tupleElement(s, 'attributes'), 'value').1, tupleElement(s, 'dropped_attributes_count'), u), scopes, scope_urls)) AS scope
      FROM
      (
        SELECT
          segment,
          arrayZip(requests.tenant, requests.received_unix_nano, requests.peer) AS heads,
          arrayFlatten(requests.metrics.resource_metrics.resource) AS resources,
          arrayFlatten(requests.metrics.resource_metrics.schema_url) AS resource_urls,
          arrayFlatten(requests.metrics.resource_metrics.scope_metrics.scope) AS scopes,
          arrayFlatten(requests.metrics.resource_metrics.scope_metrics.schema_url) AS scope_urls,
          arrayFlatten(requests.metrics.resource_metrics.scope_metrics.metrics) AS metrics,
          arrayMap(q -> length(arrayFlatten(q)), requests.metrics.resource_metrics.scope_metrics.metrics.data) AS of_request,
          arrayFlatten(arrayMap(q -> arrayMap(r -> length(arrayFlatten(r)), q), requests.metrics.resource_metrics.scope_metrics.metrics.data)) AS of_resource,
          arrayFlatten(arrayMap(q -> arrayMap(r -> arrayMap(s -> length(s), r), q), requests.metrics.resource_metrics.scope_metrics.metrics.data)) AS of_scope
        FROM otel.otlp_metrics
      )
    )
    ARRAY JOIN metrics AS metric, request, resource, scope
  )
  ARRAY JOIN
    arrayConcat(tupleElement(numbers, 'attributes'), tupleElement(histograms, 'attributes'), tupleElement(exponentials, 'attributes'), tupleElement(summaries, 'attributes')) AS attributes,
    arrayConcat(tupleElement(numbers, 'start_time_unix_nano'), tupleElement(histograms, 'start_time_unix_nano'), tupleElement(exponentials, 'start_time_unix_nano'), tupleElement(summaries, 'start_time_unix_nano')) AS start,
    arrayConcat(tupleElement(numbers, 'time_unix_nano'), tupleElement(histograms, 'time_unix_nano'), tupleElement(exponentials, 'time_unix_nano'), tupleElement(summaries, 'time_unix_nano')) AS time,
    arrayConcat(tupleElement(numbers, 'flags'), tupleElement(histograms, 'flags'), tupleElement(exponentials, 'flags'), tupleElement(summaries, 'flags')) AS flags,
    arrayConcat(tupleElement(numbers, 'exemplars'), tupleElement(histograms, 'exemplars'), tupleElement(exponentials, 'exemplars')) AS exemplars,
    tupleElement(numbers, 'value') AS value,
    tupleElement(numbers, 'as_double') AS as_double,
    tupleElement(numbers, 'as_int') AS as_int,
    arrayConcat(tupleElement(histograms, 'count'), tupleElement(exponentials, 'count'), tupleElement(summaries, 'count')) AS count,
    arrayConcat(tupleElement(histograms, 'sum'), tupleElement(exponentials, 'sum'), tupleElement(summaries, 'sum')) AS sum,
    arrayConcat(tupleElement(histograms, 'min'), tupleElement(exponentials, 'min')) AS min,
    arrayConcat(tupleElement(histograms, 'max'), tupleElement(exponentials, 'max')) AS max,
    tupleElement(histograms, 'bucket_counts') AS bucket_counts,
    tupleElement(histograms, 'explicit_bounds') AS explicit_bounds,
    tupleElement(exponentials, 'scale') AS scale,
    tupleElement(exponentials, 'zero_count') AS zero_count,
    tupleElement(exponentials, 'zero_threshold') AS zero_threshold,
    tupleElement(exponentials, 'positive') AS positive,
    tupleElement(exponentials, 'negative') AS negative,
    tupleElement(summaries, 'quantile_values') AS quantile_values
)
SETTINGS enable_unaligned_array_join = 1
