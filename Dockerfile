# syntax=docker/dockerfile:1
# infernet as a container: `docker build -t infernet .`, then
# `docker run -p 127.0.0.1:46337:46337 -v infernet:/data infernet`.
# For both processors: `docker buildx build --platform linux/amd64,linux/arm64 -t infernet .`

# Built on this machine's own processor, for whichever one the image is: only the last stage is ever emulated.
FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS build
WORKDIR /src
ENV CI=1
# Packages first, so that a change of the sources does not fetch them again.
COPY package.json bun.lockb bunfig.toml ./
COPY build/empty build/empty
RUN npx -y bun@1.4.5 install --frozen-lockfile --os=linux --cpu=x64 --cpu=arm64
COPY . .
ARG TARGETARCH
# There is no repository in the image's context: `--build-arg COMMIT=$(git rev-parse --short HEAD)` names the sources.
ARG COMMIT=
RUN case "$TARGETARCH" in \
      amd64) target=bun-linux-x64 ;; \
      arm64) target=bun-linux-arm64 ;; \
      *) echo "infernet has no image for $TARGETARCH" >&2; exit 1 ;; \
    esac \
 && npx -y bun@1.4.5 build/build.ts --installed-runtime --target "$target" --commit "$COMMIT"

# The same Debian release as above: the executable takes libc and libstdc++ from the system, and nothing else.
FROM debian:bookworm-slim
RUN groupadd --system --gid 46337 infernet \
 && useradd --system --uid 46337 --gid infernet --home-dir /data --shell /usr/sbin/nologin infernet \
 && install -d -o infernet -g infernet -m 0700 /data
COPY --from=build /src/dist/infernet /usr/local/bin/infernet
RUN infernet version
USER infernet
WORKDIR /data
ENV HOME=/data \
    INFERNET_DATA_DIR=/data \
    INFERNET_SERVER_HOST=0.0.0.0 \
    INFERNET_SERVER_PORT=46337
VOLUME /data
EXPOSE 46337
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["infernet", "status"]
ENTRYPOINT ["infernet"]
CMD ["run"]
