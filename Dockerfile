# One image for every process: `serve` by default, `worker`, `jobs` or any other command of `dialplane` instead.
# Not on Alpine: PostgreSQL's programs, which the embedded database needs, are built for glibc.

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
RUN python -m venv /opt/dialplane
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN /opt/dialplane/bin/pip install --no-cache-dir -c constraints.txt '.[sip,voice,flac]'

FROM python:3.11-slim-bookworm
# flite speaks on calls over SIP.
RUN apt-get update \
 && apt-get install -y --no-install-recommends flite \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 dialplane \
 && useradd --uid 10001 --gid dialplane --home-dir /var/lib/dialplane --no-create-home --shell /usr/sbin/nologin dialplane \
 && install -d -o dialplane -g dialplane -m 0700 /var/lib/dialplane
COPY --from=build /opt/dialplane /opt/dialplane
ENV PATH=/opt/dialplane/bin:$PATH DIALPLANE_HOME=/var/lib/dialplane
USER dialplane
WORKDIR /var/lib/dialplane
VOLUME /var/lib/dialplane
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["dialplane"]
CMD ["serve", "--host", "0.0.0.0"]
