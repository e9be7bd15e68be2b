# IMAGE, which has no shell and no client, with one small program that asks for its health.
ARG IMAGE
FROM busybox:1.37.0-musl@sha256:5cec3fc171c87218698e85a52af7087de727372aae264a787b8112901a5b0092 AS probe
FROM ${IMAGE}
COPY --from=probe /bin/busybox /probe/busybox
