#!/usr/bin/env bash
# Under libfaketime with a shifted wall clock and a real monotonic one, Python's time.sleep fails with EINVAL.
#
# Expected: FAKETIME_DONT_FAKE_MONOTONIC=1 leaves everything monotonic alone, so that a program only reads another date;
# libfaketime's README recommends it for programs that hang otherwise. What happens: libfaketime 0.9.10 (Debian 12) still
# intercepts clock_nanosleep and moves an absolute deadline of CLOCK_MONOTONIC by the wall clock's shift. Python sleeps
# that way since 3.11, so with the clock ahead each time.sleep raises "OSError: [Errno 22] Invalid argument".
# Why it matters: it is the usual way to run a test suite at another date or over midnight, and the suite fails in
# subprocess.wait, retries and polling instead. A library that shifts only readings of CLOCK_REALTIME has no such fault.
#
# Needs Debian 12 with apt, and Python 3.11 or later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq libfaketime=0.9.10-2.1 2>/dev/null
dpkg -x libfaketime_*.deb .
library=$(echo "$folder"/usr/lib/*/faketime/libfaketimeMT.so.1)
python3 --version
echo "libfaketime 0.9.10-2.1"
verdict=0
try() { # try "expected outcome" environment...
  local expected=$1 outcome=slept; shift
  env "$@" python3 -c 'import time; time.sleep(0.1)' 2>output.txt || outcome=refused
  printf '%-60s %s\n' "$(echo "$*" | sed "s#LD_PRELOAD=[^ ]*#LD_PRELOAD=libfaketimeMT.so.1#")" "$outcome"
  tail -n 1 output.txt
  [ "$outcome" = "$expected" ] || { echo "changed: expected $expected"; verdict=1; }
}
try slept FAKETIME=
try refused "LD_PRELOAD=$library" FAKETIME=+30d FAKETIME_DONT_FAKE_MONOTONIC=1
try slept "LD_PRELOAD=$library" FAKETIME=+30d
exit $verdict
