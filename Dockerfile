# syntax=docker/dockerfile:1.7

# The compiler runs on the machine's own architecture and builds for the one that is asked for.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=dev
ARG COMMIT=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X monorelay/bootstrap.version=$VERSION -X monorelay/bootstrap.commit=$COMMIT" \
      -o /out/monorelay . \
 && mkdir -p /out/data

# Static programs only: CA certificates and time zones, no shell, no package manager.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/monorelay /monorelay
# A volume that is mounted here for the first time takes over this owner.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV MONORELAY_SERVER_HOST=0.0.0.0 \
    MONORELAY_SERVER_DATA_DIR=/data
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
ENTRYPOINT ["/monorelay"]
CMD ["serve"]
