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

FROM ${NODE_IMAGE} AS balancer
LABEL org.opencontainers.image.title="ringlb" \
      org.opencontainers.image.description="An HTTP load balancer that runs, probes, replaces and drains its own replicas" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    LB_DRIVER=docker
WORKDIR /app
COPY --from=production-modules /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY bin bin
COPY package.json ./
# for docker exec: ringlb status
RUN ln -s /app/bin/ringlb /usr/local/bin/ringlb
USER node
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["node", "dist/lib/main.js", "health"]
ENTRYPOINT ["node", "--", "dist/lib/main.js"]
