# What `helm test` does: as a station of the gateway's own title it asks the gateway for a C-ECHO, sends a made instance by
# C-STORE, waits until it is recorded, and removes both again. ADDRESS, PORT and TITLE are the gateway's.
# A station of this title that is there already (of a test that was killed) is tested as it is, and stays.
if gateway station add "$TITLE" --host "$ADDRESS" --port "$PORT" --store; then
    trap 'gateway station remove "$TITLE"' EXIT
    trap 'exit 1' HUP INT TERM
    sleep 3 # within two seconds every process knows it
fi
if ! steps=$(gateway station test "$TITLE" --store-sample --json); then
    echo "$steps"
    exit 1
fi
uid=$(echo "$steps" | sed -n 's/.*SOP Instance UID \([0-9.]*\).*/\1/p')
tries=30
until gateway where "$uid"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep 1
done
# It may be deleted once it is indexed and routed. What rules sent on and want committed stays; its study says that it may
# be deleted.
tries=10
until gateway studies delete "$uid"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || break
    sleep 1
done
echo "C-ECHO, C-STORE and recording work"
