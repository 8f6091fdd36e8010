# Two stages: what builds stays behind. Both install from hashes only; nothing is built that is not ours.
FROM python:3.11.13-slim-bookworm AS build
# `--build-arg REQUIREMENTS=otel` for workers that send traces.
ARG REQUIREMENTS=runtime
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/otel.txt requirements/
RUN pip install --require-hashes -r requirements/build.txt \
 && python -m venv /opt/yidan \
 && /opt/yidan/bin/pip install --require-hashes --only-binary :all: -r requirements/$REQUIREMENTS.txt
COPY pyproject.toml LICENSE ./
COPY contracts contracts
COPY workers workers
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
 && /opt/yidan/bin/pip install --no-index --no-deps wheels/*.whl \
 && /opt/yidan/bin/python -m compileall -q /opt/yidan/lib

FROM python:3.11.13-slim-bookworm
LABEL org.opencontainers.image.title="Yidan" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/yidan /opt/yidan
ENV PATH=/opt/yidan/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 9464
# Exec form: the program itself gets SIGTERM and drains.
ENTRYPOINT ["yidan"]
CMD ["work"]
