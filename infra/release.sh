#!/bin/sh
# make package, release and deploy. A version is a commit: the images are built of it, pushed by its name, and a host gets its files.
#
#   package        build/: the wheel, and the files that a host needs as one archive
#   release ENV    builds the images, pushes them, then does what deploy does
#   deploy ENV     puts a version that is in the registry on the host of an environment, qa or prod
#
# Variables: VERSION (a commit or tag; default: the present one), REGISTRY (such as registry.example.com/lumbung), REGISTRY_LOGIN_USR
# and REGISTRY_LOGIN_PSW (to sign in there), IMAGE_EXTRAS (see .env.example), DEPLOY_HOST (as ssh takes it), DEPLOY_FOLDER (there;
# default: lumbung in the user's home), DEPLOY_KNOWN_HOSTS (the host's line of known_hosts), DEPLOY_KEY or DEPLOY_KEY_FILE (a
# private key). Without the last three ssh's own configuration is used. The host keeps its .env; no secret leaves this machine.
set -eu
cd "$(dirname "$0")/.."
task=$1 environment=${2:-}
say() { printf '%s\n' "$*"; }
fail() {
  say "lumbung: $*" >&2
  exit 1
}

version() {
  git rev-parse --verify --quiet --short=12 "${VERSION:-HEAD}^{commit}" || fail "there is no commit ${VERSION:-HEAD}"
}
archive() { # file; the same bytes each time
  git archive --format=tar "$version" -- docker-compose.yaml .env.example Makefile infra data-source | gzip -n >"$1"
}

package() {
  mkdir -p build
  archive "build/lumbung-$version.tar.gz"
  .tools/bin/uv build --quiet --wheel --offline --out-dir build
  say "Written to build: $(cd build && echo *)"
}

# Names all variables that are missing at once.
needs() {
  missing=''
  for name; do
    eval "value=\${$name:-}"
    [ -n "$value" ] || missing="$missing $name"
  done
  [ -z "$missing" ] || fail "make $task needs$missing; see docs/cookbooks/ci-pipelines.md"
}

release() {
  [ -z "$(git status --porcelain)" ] || fail "there are uncommitted changes; commit them, then release"
  [ "$version" = "$(git rev-parse --short=12 HEAD)" ] || fail "VERSION is not what is checked out; check it out, or deploy it if it was released"
  command -v docker >/dev/null || fail "no docker found, which builds and pushes the images"
  if [ -n "${REGISTRY_LOGIN_USR:-}" ]; then
    printf %s "$REGISTRY_LOGIN_PSW" | docker login --username "$REGISTRY_LOGIN_USR" --password-stdin "${REGISTRY%%/*}"
  fi
  for target in airflow bigquery spark; do
    image=$REGISTRY/lumbung-$target:$version
    docker build --target "$target" --build-arg "EXTRAS=${IMAGE_EXTRAS:-}" --tag "$image" .
    docker push "$image"
  done
}

deploy() {
  private=$(mktemp -d)
  trap 'rm -rf "$private"' EXIT
  trap 'exit 1' INT TERM
  set -- -o BatchMode=yes
  if [ -n "${DEPLOY_KNOWN_HOSTS:-}" ]; then
    printf '%s\n' "$DEPLOY_KNOWN_HOSTS" >"$private/known_hosts"
    set -- "$@" -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$private/known_hosts"
  fi
  if [ -n "${DEPLOY_KEY:-}" ]; then
    (umask 077 && printf '%s\n' "$DEPLOY_KEY" >"$private/key")
    DEPLOY_KEY_FILE=$private/key
  fi
  [ -z "${DEPLOY_KEY_FILE:-}" ] || set -- "$@" -i "$DEPLOY_KEY_FILE" -o IdentitiesOnly=yes
  folder=${DEPLOY_FOLDER:-lumbung}
  # They are put into a command line over there.
  for value in "$folder" "$REGISTRY"; do
    case $value in *[!A-Za-z0-9._/:-]*) fail "DEPLOY_FOLDER and REGISTRY may hold letters, digits and . _ / : - only: $value" ;; esac
  done
  archive "$private/files.tar.gz"
  say "Deploying $version to $environment"
  ssh "$@" "$DEPLOY_HOST" "mkdir -p $folder && cd $folder && cat >release.tar.gz" <"$private/files.tar.gz"
  ssh "$@" "$DEPLOY_HOST" "cd $folder && sh -s $environment $version $REGISTRY" <infra/deploy.sh
}

version=$(version)
case $task in
  package) package ;;
  release | deploy)
    case $environment in qa | prod) ;; *) fail "make $task needs ENV=qa or ENV=prod" ;; esac
    needs REGISTRY DEPLOY_HOST
    [ "$task" = deploy ] || release
    deploy
    ;;
  *) fail "no such task: $task" ;;
esac
