# CovidSeg's command in a container: on the CPU, without network, as an ordinary user.
#
#   docker build --tag covidseg .
#   docker run --rm --network none --volume "$PWD":/data covidseg segment CT.nii.gz -o CT.seg.nrrd
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE.txt ./
COPY CovidSeg CovidSeg
COPY CovidSegTraining CovidSegTraining
RUN python -m venv /opt/covidseg \
    && /opt/covidseg/bin/pip install --no-cache-dir --disable-pip-version-check ".[cpu,dicom]"

FROM python:3.12-slim-bookworm
COPY --from=build /opt/covidseg /opt/covidseg
RUN useradd --create-home --uid 1000 reader
USER 1000
WORKDIR /data
ENTRYPOINT ["/opt/covidseg/bin/covidseg"]
CMD ["--help"]
