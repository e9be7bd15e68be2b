# API, worker and command line in one image: they are one version of one program.
#
#   docker build -t holdfast .
#   docker run holdfast                                     the API
#   docker run holdfast run --cached-only -P=worker worker.ts
#   docker run holdfast run --cached-only -P=cli inventory.ts status
FROM denoland/deno:2.9.6@sha256:2014dc167ece617ef7e7ba40631ac2234c59e75ce693e7cc2dc2602b3c87859d

WORKDIR /holdfast
# Packages first: they change less often than the code. --frozen: what deno.lock does not name is not built.
COPY deno.json deno.lock ./
COPY main.ts worker.ts inventory.ts ./
COPY lua ./lua
COPY src ./src
RUN deno install --frozen --entrypoint main.ts worker.ts inventory.ts

# The image's own user, who owns nothing here: code and packages are read only.
USER deno
EXPOSE 8080
# --cached-only: nothing is fetched at start. -P: a permission set of deno.json; none may start a process.
# V8's young generation of 64 MB: what a request leaves is freed before it is copied.
CMD ["run", "--cached-only", "-P=api", "--v8-flags=--min-semi-space-size=64,--max-semi-space-size=64", "main.ts"]
