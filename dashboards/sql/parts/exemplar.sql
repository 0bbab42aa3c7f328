-- Of each point the one that waited longest, as a link takes it: its trace, session, tenant, and an hour around it.
(argMax((TraceId, SessionId, Tenant, Timestamp), waited) AS slowest).1 AS whole_trace,
  slowest.2 AS session,
  CAST(slowest.3, 'String') AS tenant,
  toString(toUnixTimestamp64Milli(slowest.4) - 3600000) AS from_ms,
  toString(toUnixTimestamp64Milli(slowest.4) + 3600000) AS to_ms
