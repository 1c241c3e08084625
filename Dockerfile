# Earwitness with Chromium, a media server and the reference agent inside: no root, nothing is fetched when it runs.
#   docker build -t earwitness .
#   docker run --rm -v "$PWD:/project" earwitness run question_short
#   docker run --rm -v "$PWD:/project" -e LIVEKIT_API_KEY -e LIVEKIT_API_SECRET \
#     earwitness run --livekit-url wss://… --agent room
# Runs are written to /project/runs by user 1000; another user is --user "$(id -u):$(id -g)".
FROM python:3.12-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist .

FROM python:3.12-slim-bookworm AS installed
RUN apt-get update \
 && apt-get install -y --no-install-recommends chromium fonts-liberation \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip install --no-cache-dir "$(ls /dist/earwitness-*.whl)[all]"
ENV EARWITNESS_CACHE=/opt/earwitness

# a stage of its own: what building the media server leaves behind does not come along
FROM installed AS provided
RUN earwitness setup

FROM installed
RUN useradd --create-home --uid 1000 earwitness
COPY --from=provided --chown=earwitness:earwitness /opt/earwitness /opt/earwitness
# so that any --user can write there: built cases, and what Chromium and numba keep
ENV HOME=/home/earwitness
RUN chmod -R a+rwX /opt/earwitness /home/earwitness
USER earwitness
WORKDIR /project
ENTRYPOINT ["earwitness"]
CMD ["--help"]
