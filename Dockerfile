# alsobought as an image. docs/docker.md says how to build and run it.

FROM python:3.11-slim-bookworm AS packages
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/alsobought
WORKDIR /build
COPY requirements.lock ./
RUN pip --python /opt/alsobought/bin/python install --quiet --require-hashes -r requirements.lock

FROM packages AS wheel
COPY . .
RUN pip --python /opt/alsobought/bin/python wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist .

# What only building the wheel takes, and the two packages' own tests (65 MB), stay out of the image.
FROM packages AS runtime
RUN pip --python /opt/alsobought/bin/python uninstall --quiet --yes hatchling editables pathspec pluggy trove-classifiers \
 && cd /opt/alsobought/lib/python3.11/site-packages && rm -r gensim/test && find scipy -depth -name tests -exec rm -r {} +

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin alsobought \
 && install --directory --owner=alsobought --group=alsobought /data
# A layer of its own, which stays the same until requirements.lock changes.
COPY --from=runtime /opt/alsobought /opt/alsobought
COPY --from=wheel /dist /dist
RUN pip --python /opt/alsobought/bin/python install --quiet --no-cache-dir --no-deps --no-index /dist/*.whl \
 && pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel && rm -r /dist
# For processors like the one that builds; on others a worker compiles once into its data folder.
RUN /opt/alsobought/bin/python -m model.ranking.kernel.compile /opt/alsobought/kernel
ENV PATH=/opt/alsobought/bin:$PATH \
    ALSOBOUGHT_KERNEL_CACHE_DIR=/opt/alsobought/kernel \
    ALSOBOUGHT_DATA_DIR=/data \
    ALSOBOUGHT_HTTP_HOST=0.0.0.0 \
    ALSOBOUGHT_HTTP_PORT=8000
USER 10001:10001
# A settings file mounted as /etc/alsobought/alsobought.toml is found, because it is looked for in this folder.
WORKDIR /etc/alsobought
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", \
  "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['ALSOBOUGHT_HTTP_PORT']}/health\", timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["alsobought"]
CMD ["run"]
