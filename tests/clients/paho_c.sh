#!/bin/bash
# Drives Paho C's paho_c_pub and paho_c_sub: paho_c.sh URL VERSION [CA];
# prints 'FEATURE ok' or 'FEATURE FAIL why'.
set -u
url=$1 version=$2 ca=${3:-}
case $url in
mqtt://*) connection=tcp://${url#mqtt://} ;;
mqtts://*) connection=ssl://${url#mqtts://} ;;
*) connection=$url ;;
esac
arguments=(-c "$connection" -V "$version")
[ -n "$ca" ] && arguments+=(--cafile "$ca")

run="p$$-$RANDOM"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
: >"$dir/errors"

publish() { timeout 8 paho_c_pub "${arguments[@]}" -i "$run-pub-$RANDOM" "$@" >>"$dir/errors" 2>&1; }

# Starts a client and returns once the broker has answered SUBACK.
start() {
  local file=$dir/$1
  shift
  stdbuf -oL paho_c_sub "${arguments[@]}" -i "$run-sub-$RANDOM" --trace protocol "$@" >"$file" 2>&1 &
  client=$!
  for _ in $(seq 100); do
    grep -q 'SUBACK' "$file" 2>/dev/null && return
    kill -0 $client 2>/dev/null || return
    sleep 0.05
  done
}

# Waits for a line in a client's output, then ends the client.
received() {
  local file=$dir/$1 line=$2
  for _ in $(seq 120); do
    grep -qx "$line" "$file" && break
    sleep 0.05
  done
  kill -INT "$3" 2>/dev/null
  wait "$3" 2>/dev/null
  grep -qx "$line" "$file"
}

report() {
  if [ "$2" = 0 ]; then
    echo "$1 ok"
  else
    echo "$1 FAIL $(tail -c 100 "$dir/${3:-errors}" 2>/dev/null | tr '\n' ' ')"
  fi
}

publish -t "$run/connect" -m x
report connect $?
grep -q 'Connect failed' "$dir/errors" && exit 1

for level in 0 1 2; do
  start qos -t "$run/qos$level" -q $level
  publish -t "$run/qos$level" -m "hello$level" -q $level
  received qos "hello$level" $client
  report qos$level $? qos
done

publish -t "$run/retain" -m keep -q 1 -r
start retain -t "$run/retain" -q 1
received retain keep $client
report retain $? retain
publish -t "$run/retain" -n -r -q 1

start will -t "$run/will" -q 1
watcher=$client
start mortal -t "$run/other" --will-topic "$run/will" --will-payload gone --will-qos 1
{ kill -9 $client && wait $client; } 2>/dev/null
received will gone $watcher
report will $? will

[ "$version" = 5 ] || exit 0

start properties -t "$run/properties" -q 1
publish -t "$run/properties" -m payload -q 1 --message-expiry 100 --user-property k v
received properties payload $client
report properties $? properties
