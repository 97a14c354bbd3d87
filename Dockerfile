# The study in a container; results, with the prepared data, are in /gradlab/results.
FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git make python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /gradlab
COPY . .
RUN make setup
CMD ["make", "quick"]
