# IMAGE, which has no shell and no client, with one small program that asks for its health.
ARG IMAGE
FROM busybox:1.37.0-musl AS probe
FROM ${IMAGE}
COPY --from=probe /bin/busybox /probe/busybox
