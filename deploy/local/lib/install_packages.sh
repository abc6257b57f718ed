# Run as root: install packages without starting their services: sh install_packages.sh PACKAGE…
# Debian's way is a policy-rc.d that forbids it (invoke-rc.d(8)); one that was there before is put back afterwards.
set -eu
policy=/usr/sbin/policy-rc.d
kept=/usr/sbin/policy-rc.d.before-dicom-gateway
export DEBIAN_FRONTEND=noninteractive
export PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

exec 8>/run/dicom-gateway-install.lock
flock -w 600 8

restore() {
    rm -f "$policy"
    [ ! -e "$kept" ] || mv "$kept" "$policy"
}

# A run that was killed may have left ours behind: the one before it, if any, is in $kept.
if [ -e "$policy" ] && ! grep -q dicom-gateway "$policy"; then
    mv "$policy" "$kept"
fi
trap restore EXIT
trap 'exit 1' HUP INT TERM
printf '#!/bin/sh\n# dicom-gateway, while it installs packages\nexit 101\n' >"$policy"
chmod 755 "$policy"

install() {
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" >&2 8>&-
}

if ! install "$@" 2>/dev/null; then
    apt-get -qq -o DPkg::Lock::Timeout=300 update 8>&- || echo "some package lists could not be fetched" >&2
    install "$@"
fi

# do_not_start_with_the_machine PACKAGE UNIT…: the gateway and its tests run servers of their own; the packaged ones, if they
# have just come, are not to start with the machine either.
# Where systemd is not installed (yet), packages enable their services by deb-systemd-helper, which serves packages only.
do_not_start_with_the_machine() {
    serves=$1
    shift
    if command -v systemctl >/dev/null; then
        systemctl disable --quiet "$@" || true
    elif command -v deb-systemd-helper >/dev/null; then
        DPKG_MAINTSCRIPT_PACKAGE=$serves deb-systemd-helper disable "$@" >/dev/null || true
    fi
}
for package in "$@"; do
    case $package in
    rabbitmq-server) do_not_start_with_the_machine "$package" rabbitmq-server.service epmd.service epmd.socket ;;
    prometheus) do_not_start_with_the_machine "$package" prometheus.service ;;
    esac
done
