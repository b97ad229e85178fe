# Glibc image: the embedded Postgres is left out (--omit=optional), so DATABASE_URL must be given.
FROM node:24-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional && npm cache clean --force
COPY . .
# For demo mode's master key; with ESEK_MASTER_KEY nothing is written there.
RUN mkdir -p /var/lib/esek && chown node:node /var/lib/esek
ENV NODE_ENV=production ESEK_DATA_DIR=/var/lib/esek PORT=8080
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8080}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# As `npm start`, without npm between the signals and the process.
CMD ["node", "--max-semi-space-size=8", "src/main.ts"]
