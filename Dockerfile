# Zava over HTTP, for a database of your own. docs/deployment.md says how to run it.
#
#   docker build -t zava:0.1.0 .

# The Debian and the Python that the tests run on.
FROM python:3.11-slim-bookworm AS base

FROM base AS build
# What the wheel is installed with. Not embedded: that PostgreSQL is for one machine, and not for a network. An image for
# administrators has it, for its pg_dump: docs/deployment.md, Backups.
ARG EXTRAS=local,charts,redis
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
WORKDIR /source
COPY requirements.lock ./
RUN python -m venv /build \
 && sed -n '/^uv==/,/# via/p' requirements.lock > /build/uv.txt \
 && /build/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes --no-deps -r /build/uv.txt
COPY pyproject.toml README.md LICENSE ./
COPY schema ./schema
COPY src ./src
RUN /build/bin/uv build --quiet --wheel --require-hashes --build-constraints requirements.lock --out-dir /dist
# Whatever is not in the lock file, with its hash, is refused.
RUN --mount=type=cache,target=/root/.cache/uv \
    wheel=$(echo /dist/zava-*.whl) \
 && /build/bin/uv venv --quiet /opt/zava \
 && /build/bin/uv pip install --quiet --python /opt/zava/bin/python --compile-bytecode \
      --require-hashes --constraints requirements.lock \
      "zava[$EXTRAS] @ file://$wheel#sha256=$(sha256sum "$wheel" | cut -d ' ' -f 1)"

FROM base AS serve
# /etc/zava has the keys and passwords that `zava init` makes; /var/spool/zava, rows of the audit trail that wait.
RUN groupadd --gid 10001 zava \
 && useradd --uid 10001 --gid zava --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin zava \
 && install -d -m 0700 -o zava -g zava /etc/zava /var/spool/zava
COPY --from=build /opt/zava /opt/zava
ENV PATH=/opt/zava/bin:$PATH PYTHONDONTWRITEBYTECODE=1 \
    ZAVA_HTTP__HOST=0.0.0.0 ZAVA_AUDIT__SPOOL_DIR=/var/spool/zava
USER 10001:10001
EXPOSE 8000
# Whether it lives: a container is not started anew because its database is away. With TLS, replace it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["zava"]
CMD ["serve"]
