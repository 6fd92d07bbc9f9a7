# Runs every BALI process: workers, API, trainer. The stock Neo4j and Redis images run beside it.
FROM python:3.12-slim
RUN useradd --create-home bali
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY platform platform
COPY loaders loaders
COPY trainers trainers
RUN pip install --no-cache-dir -c constraints.txt .
USER bali
ENV BALI_HOME=/home/bali/home BALI_CACHE=/home/bali/cache
ENTRYPOINT ["bali"]
