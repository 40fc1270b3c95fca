# One image for the API and the worker: the command tells them apart.
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/catvq
ENV PATH=/opt/catvq/bin:$PATH
WORKDIR /build

# torch by itself, so that only torch is asked of its index: the build for CPUs, a tenth of the size of the one on
# PyPI. Where the index is out of reach, pip goes on to PyPI.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --constraint constraints.txt --extra-index-url "$TORCH_INDEX_URL" torch

# The dependencies before the code, which changes more often.
COPY pyproject.toml README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt '.[server,tracing]'

COPY app app
COPY catvq catvq
COPY worker worker
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --force-reinstall .

FROM python:3.11-slim-bookworm
# The directory's owner becomes the owner of a fresh volume that is mounted there.
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin catvq \
    && install --directory --owner catvq --group catvq --mode 0700 /data
COPY --from=build /opt/catvq /opt/catvq
ENV PATH=/opt/catvq/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CATVQ_DATA_DIR=/data \
    CATVQ_HOST=0.0.0.0
USER 10001:10001
WORKDIR /tmp
VOLUME /data
EXPOSE 8000
CMD ["python", "-m", "app"]
