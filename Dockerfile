# The image holds the program, the certificates of public authorities and an empty data directory; no shell.
#
#   docker build -t consentgate .
#   docker run --rm consentgate demo --once
#
# docs/docker.md explains how to run it for real.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
# With .git, from which `consentgate version` has its answer.
COPY . .
ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -o /out/consentgate ./cmd/consentgate
RUN mkdir -m 700 /out/data

FROM scratch
# To verify the TLS certificates of upstreams and of Redis. Time zones are not needed: all times are UTC.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/consentgate /usr/local/bin/consentgate
# The only place that is written to. A new named volume mounted here takes its owner from this directory.
COPY --from=build --chown=65532:65532 /out/data /var/lib/consentgate
ENV CONSENTGATE_DATA_DIR=/var/lib/consentgate \
    TMPDIR=/var/lib/consentgate
USER 65532:65532
EXPOSE 2525 8025
# No HEALTHCHECK: no command asks a running gate how it is. It ends when it cannot serve, and answers 451 while its
# store or its upstream is away.
ENTRYPOINT ["/usr/local/bin/consentgate"]
CMD ["serve"]
