# A static binary, run by a user without rights, and nothing else: there is no shell in the image.
#
#   docker build -t concord .
#   docker run -p 8091:8091 -v concord:/var/lib/concord concord     one node on the embedded store
#
# A cluster of nodes on MySQL, RocketMQ and ZooKeeper is in docker-compose.yml.

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/concord ./cmd/concord && mkdir /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/concord /usr/local/bin/concord
# A new volume that is mounted here belongs to the user as well.
COPY --from=build --chown=65532:65532 /out/data /var/lib/concord
USER 65532:65532
ENV PATH=/usr/local/bin CONCORD_DATA=/var/lib/concord
VOLUME /var/lib/concord
# 8091: Seata clients. 8088: health, metrics, API, and other nodes.
EXPOSE 8091 8088
STOPSIGNAL SIGTERM
# Asks 127.0.0.1:8088; set CONCORD_SERVER where http is another address.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["concord", "health"]
ENTRYPOINT ["concord"]
CMD ["serve"]
