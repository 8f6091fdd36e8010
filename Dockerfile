# Two stages: what builds stays behind. Both install from hashes only; nothing is built that is not ours.
FROM python:3.11.13-slim-bookworm AS build
# `--build-arg REQUIREMENTS=otel` for workers that send traces.
ARG REQUIREMENTS=runtime
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/otel.txt requirements/
# The environment that ships has no pip of its own: the one of this stage installs into it.
RUN pip install --require-hashes -r requirements/build.txt \
 && python -m venv --without-pip /opt/yidan \
 && pip --python /opt/yidan/bin/python install --no-compile --require-hashes --only-binary :all: -r requirements/$REQUIREMENTS.txt
COPY pyproject.toml LICENSE ./
COPY contracts contracts
COPY workers workers
# Bytecode by hash and not by time: the same sources give the same files.
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
 && pip --python /opt/yidan/bin/python install --no-compile --no-index --no-deps wheels/*.whl \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/yidan/lib

FROM python:3.11.13-slim-bookworm
LABEL org.opencontainers.image.title="Yidan" org.opencontainers.image.licenses="Apache-2.0"
RUN pip uninstall --yes pip setuptools wheel
COPY --from=build /opt/yidan /opt/yidan
ENV PATH=/opt/yidan/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 9464 9465 9466
# Of the worker; whoever runs another command from this image says what its health is, or that there is none to ask.
HEALTHCHECK --interval=10s --timeout=5s --retries=3 --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('YIDAN_HTTP_PORT', '9464') + '/healthz', timeout=2)"]
# Exec form: the program itself gets SIGTERM and drains.
ENTRYPOINT ["yidan"]
CMD ["work"]
