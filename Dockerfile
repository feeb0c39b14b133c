# syntax=docker/dockerfile:1
# A small image that runs as nobody in particular, from a read-only root: it writes to /lake, and to /tmp where a
# command is started at the end of a run. See docs/nightly.md.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG EXTRAS=otel,openlineage
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# Everything that is installed later comes from these files, whose hashes the lock names.
COPY requirements.lock ./
RUN pip download --quiet --require-hashes --only-binary :all: --dest /wheels -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY axsync ./axsync
RUN pip wheel --quiet --no-index --find-links /wheels --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/axsync \
    && /opt/axsync/bin/pip install --quiet --no-index --find-links /wheels "axsync[${EXTRAS}]" \
    && /opt/axsync/bin/pip check

FROM python:${PYTHON}-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin axsync \
    && install --directory --owner axsync --group axsync /lake
COPY --from=build /opt/axsync /opt/axsync
ENV PATH=/opt/axsync/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AXSYNC_LAKE=/lake
WORKDIR /lake
USER 10001:10001
# No shell in between: axsync is the process that gets SIGTERM, and puts away what it has.
STOPSIGNAL SIGTERM
ENTRYPOINT ["axsync"]
CMD ["run"]
