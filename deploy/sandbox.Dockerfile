# The image of the docker executor: CPython and the program that every executor runs. Packages for steps to import:
#   docker build -f deploy/sandbox.Dockerfile --build-arg PACKAGES="numpy pandas" -t flotilla-sandbox .
# Build it from the root of the repository. The executor adds the limits: no network, read-only, one CPU, no capabilities.
FROM python:3.13-slim
ARG PACKAGES=""
RUN [ -z "$PACKAGES" ] || pip install --no-cache-dir --root-user-action=ignore $PACKAGES
COPY services/code-sandbox/executors/python /opt/flotilla-sandbox/python
COPY services/code-sandbox/executors/cpython /opt/flotilla-sandbox/cpython
# Fixed hashes: a replay sees sets in the same order. One thread for each library of arithmetic.
ENV PYTHONHASHSEED=0 LC_ALL=C.UTF-8 TZ=UTC OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
USER 65534:65534
WORKDIR /
ENTRYPOINT ["python3", "-s", "-P", "-B", "/opt/flotilla-sandbox/cpython/sandbox_process.py"]
