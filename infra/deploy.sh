# Runs on the host of an environment, in its folder, beside release.tar.gz; infra/release.sh sends both.
# Arguments: environment, version, registry.
set -eu
trap 'rm -f release.tar.gz' EXIT
environment=$1 version=$2 registry=$3
say() { printf '%s\n' "$*"; }
fail() {
  say "lumbung: $(hostname):$PWD: $*" >&2
  exit 1
}

# The folder's environment is recorded once, so that a wrong DEPLOY_HOST does not put QA's version into production.
[ -e environment ] || printf '%s\n' "$environment" >environment
[ "$(cat environment)" = "$environment" ] || fail "this is $(cat environment), not $environment; nothing was changed"
command -v docker >/dev/null || fail "there is no docker here"
tar -xzf release.tar.gz
[ -e .env ] || fail "there is no .env; run make env here, set what is this environment's own, then deploy again"
# Only the images of the profiles that are on here.
for image in $(docker compose config --images | grep '^lumbung-' | sort -u); do
  docker pull --quiet "$registry/$image:$version"
  docker tag "$registry/$image:$version" "$image"
done
docker compose up --detach --no-build --wait
printf '%s %s\n' "$version" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>releases
say "$environment runs $version"
