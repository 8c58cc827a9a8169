# Two images from one file: the balancer (the last target, so the default) and the sample replica.
#   docker build -t ringlb .
#   docker build -t ringlb-replica --target replica .
ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS build
# by this make clean finds what only building needs
LABEL ringlb.stage=build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY lib lib
COPY replica replica
RUN npm run build

FROM ${NODE_IMAGE} AS replica
LABEL org.opencontainers.image.title="ringlb-replica" \
      org.opencontainers.image.description="The sample replica of the ringlb load balancer" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/dist/replica replica
# without it a .js file is read twice: first as CommonJS, then as the module it is
RUN echo '{"type":"module"}' > package.json
USER node
EXPOSE 5000
CMD ["node", "replica/server.js"]

FROM ${NODE_IMAGE} AS production-modules
LABEL ringlb.stage=production-modules
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

# What the balancer needs of the base image, which is larger than the rest by half: Node.js, the libraries that it loads,
# and a shell for bin/ringlb, for child processes and for docker exec ringlb ringlb status.
FROM ${NODE_IMAGE} AS runtime
LABEL ringlb.stage=runtime
SHELL ["/bin/sh", "-ec"]
RUN programs="$(which node sh readlink dirname cat env sleep)"; \
    mkdir -p /rootfs/usr/bin /rootfs/usr/lib /rootfs/usr/lib64 /rootfs/etc /rootfs/home/node /rootfs/usr/local/bin; \
    for name in bin lib lib64; do ln -s usr/$name /rootfs/$name; done; \
    for file in $programs $(ldd $programs | grep -o '/[^ :]*lib[^ :]*' | sort -u); do \
      cp --parents --dereference "$file" /rootfs; \
    done; \
    cp /etc/passwd /etc/group /etc/nsswitch.conf /rootfs/etc; \
    ln -s /app/bin/ringlb /rootfs/usr/local/bin/ringlb; \
    chown node:node /rootfs/home/node; \
    mkdir --mode=1777 /rootfs/tmp

FROM scratch AS balancer
LABEL org.opencontainers.image.title="ringlb" \
      org.opencontainers.image.description="An HTTP load balancer that runs, probes, replaces and drains its own replicas" \
      org.opencontainers.image.licenses="MIT"
COPY --from=runtime /rootfs /
ENV NODE_ENV=production \
    PATH=/usr/local/bin:/usr/bin \
    LB_DRIVER=docker
WORKDIR /app
COPY --from=production-modules /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY bin bin
COPY package.json ./
USER node
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "dist/lib/main.js", "health"]
ENTRYPOINT ["node", "--", "dist/lib/main.js"]
