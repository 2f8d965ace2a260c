# syntax=docker/dockerfile:1
# The program and what it sells (catalogue/), nothing else: no shell, no package manager, not root.

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin paddock && install -D target/release/paddock /out/paddock

# glibc, libgcc, root certificates and time zones; runs as user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/paddock /usr/local/bin/paddock
COPY catalogue /usr/share/paddock/catalogue
COPY LICENSE /usr/share/paddock/LICENSE
ENV PADDOCK__CATALOGUE__PLANS=/usr/share/paddock/catalogue/plans.toml \
    PADDOCK__CATALOGUE__RELEASES=/usr/share/paddock/catalogue/releases.toml
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/paddock"]
CMD ["serve"]
