# The collector. `docker compose build`, or: docker build -t otel-interactions:local .
# `make image` runs the RUN lines of this file in a folder, without Docker.
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS builder
# What of pyproject.toml is installed: collector; collector,report for `otel-interactions report` too.
ARG EXTRAS=collector
WORKDIR /build
# A pip that takes hashes from a file of constraints.
RUN python -m venv /opt/venv && /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --quiet 'pip>=26'
# Dependencies first: this layer stays while only our own code changes. Versions and hashes are the lock's.
COPY pyproject.toml requirements.lock ./
RUN python -c "import sys, tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *(r for e in sys.argv[1].split(',') for r in p['optional-dependencies'][e]), sep='\n')" "${EXTRAS}" > wanted.txt \
  && /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --constraint requirements.lock --requirement wanted.txt
COPY README.md ./
COPY otel_interactions otel_interactions
COPY collector collector
RUN /opt/venv/bin/python -m pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir wheels . \
  && /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps wheels/*.whl

FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="otel-interactions" \
      org.opencontainers.image.description="Collector of interaction logging: OTLP in, ClickHouse out" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /opt/venv /opt/venv
# The user has a number and no name: nothing needs one. A volume that is mounted here gets this folder's owner.
RUN install -d -m 0700 -o 10001 -g 10001 /var/lib/otel-interactions
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/var/lib/otel-interactions \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OTEL_INTERACTIONS_DATA_DIR=/var/lib/otel-interactions \
    OTEL_INTERACTIONS_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/lib/otel-interactions
VOLUME /var/lib/otel-interactions
# OTLP/gRPC; OTLP/HTTP, /api and /health; the read-only SQL port, which only an embedded ClickHouse has
EXPOSE 4317 4318 8123
STOPSIGNAL SIGTERM
# Not urllib: it would ask a proxy that Docker's own configuration puts into containers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 4318, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["otel-interactions"]
CMD ["serve"]
