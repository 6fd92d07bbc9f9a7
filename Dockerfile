# Runs every BALI process: workers, API, trainer. The stock Neo4j and Redis images run beside it.
FROM python:3.12-slim
ARG EXTRAS=""
RUN useradd --create-home bali
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY platform platform
COPY loaders loaders
COPY trainers trainers
RUN pip install --no-cache-dir -c constraints.txt ".${EXTRAS:+[$EXTRAS]}"
# A named volume takes over the owner of the folder that it covers.
RUN install -d -o bali -g bali /home/bali/home /home/bali/cache
USER bali
ENV BALI_HOME=/home/bali/home BALI_CACHE=/home/bali/cache
ENTRYPOINT ["bali"]
