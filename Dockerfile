# syntax=docker/dockerfile:1
# The project at a commit, for Kubeflow's pods: `trainyard image build` makes it.
#
# CPU:  --build-arg LOCK=requirements.lock
# GPU:  --build-arg LOCK=requirements-gpu.lock   (CUDA comes with the wheels; the driver with
#       NVIDIA's container runtime)

FROM python:3.11.13-slim-bookworm AS build
ARG LOCK=requirements.lock
RUN pip install --no-cache-dir uv==0.5.31
WORKDIR /build
# First what changes rarely: the layer of the packages outlives a change of code.
COPY ${LOCK} locked.txt
RUN uv venv /opt/trainyard \
 && VIRTUAL_ENV=/opt/trainyard uv pip sync --no-cache --require-hashes --compile-bytecode locked.txt
COPY pyproject.toml README.md LICENSE ./
COPY trainyard trainyard
RUN VIRTUAL_ENV=/opt/trainyard uv pip install --no-cache --no-deps --no-build-isolation \
    --compile-bytecode .

FROM python:3.11.13-slim-bookworm
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="trainyard" \
      org.opencontainers.image.revision="${COMMIT}"
RUN useradd --uid 10001 --gid 0 --create-home trainyard
COPY --from=build /opt/trainyard /opt/trainyard
COPY recipes /srv/trainyard/recipes
COPY schemas /srv/trainyard/schemas
ENV PATH=/opt/trainyard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRAINYARD_HOME=/home/trainyard/trainyard_out \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# By number: Kubernetes' runAsNonRoot does not look names up. Group 0, as volumes usually are.
USER 10001:0
WORKDIR /srv/trainyard
ENTRYPOINT ["trainyard"]
CMD ["--help"]
