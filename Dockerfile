# Prediction over HTTP, without torch: docker build -t ferturb . && docker run --rm -p 7861:7861 ferturb
# The page instead: docker run --rm -p 7860:7860 ferturb app --host 0.0.0.0 --no-browser
# Another port is given outside (-p 8000:7861): the check of health asks these two. A name of a service
# in compose or Kubernetes is let in by --allow-host NAME behind --host.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
RUN useradd --create-home ferturb
COPY constraints-deployment.txt /tmp/
RUN --mount=from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir --constraint /tmp/constraints-deployment.txt "$(ls /wheels/*.whl)[app]"
USER ferturb
WORKDIR /home/ferturb
EXPOSE 7860 7861
HEALTHCHECK --start-period=10s CMD for port in 7861 7860; do python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/', timeout=5)" 2>/dev/null && exit 0; done; exit 1
ENTRYPOINT ["ferturb"]
CMD ["serve", "--host", "0.0.0.0"]
