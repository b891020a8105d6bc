#!/bin/bash
# Drives mosquitto_pub, mosquitto_sub and mosquitto_rr: mosquitto.sh URL VERSION [CA];
# prints 'FEATURE ok' or 'FEATURE FAIL why'.
set -u
url=$1 version=$2 ca=${3:-}
[[ $url =~ ^mqtts?://([^:/]+):([0-9]+) ]] || exit 2
arguments=(-h "${BASH_REMATCH[1]}" -p "${BASH_REMATCH[2]}" -V "mqttv$version")
[ -n "$ca" ] && arguments+=(--cafile "$ca")

run="m$$-$RANDOM"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
: >"$dir/errors"

publish() { timeout 10 mosquitto_pub "${arguments[@]}" "$@" 2>>"$dir/errors"; }

# Starts a subscriber that writes to $dir/NAME, and returns once the broker has answered SUBACK.
subscribe() {
  local name=$1
  shift
  timeout 10 stdbuf -oL mosquitto_sub -d "${arguments[@]}" "$@" >"$dir/$name.all" 2>>"$dir/errors" &
  subscriber=$!
  for _ in $(seq 100); do
    grep -q '^Subscribed' "$dir/$name.all" 2>/dev/null && return
    kill -0 $subscriber 2>/dev/null || return
    sleep 0.05
  done
}

# Waits for the end of a subscriber and leaves its messages in $dir/NAME.
received() {
  wait "$2"
  grep -v -e '^Client ' -e '^Subscribed' -e '^All subs' "$dir/$1.all" >"$dir/$1"
}

report() {
  if [ "$2" = 0 ]; then
    echo "$1 ok"
  else
    echo "$1 FAIL $(head -c 60 "$dir/${3:-errors}" | tr '\n' ' ') $(tail -c 100 "$dir/errors" | tr '\n' ' ')"
  fi
}

publish -t "$run/connect" -m x
report connect $?

for level in 0 1 2; do
  subscribe qos -t "$run/qos$level" -q $level -C 1 -F '%q %r %p'
  publish -t "$run/qos$level" -m hello -q $level
  received qos $subscriber
  [ "$(cat "$dir/qos")" = "$level 0 hello" ]
  report qos$level $? qos
done

publish -t "$run/retain/x" -m keep -q 1 -r
subscribe retain -t "$run/retain/+" -C 1 -F '%r %p'
received retain $subscriber
[ "$(cat "$dir/retain")" = "1 keep" ]
report retain $? retain

publish -t "$run/retain/x" -n -r -q 1
subscribe cleared -t "$run/retain/x" -W 1
received cleared $subscriber
[ ! -s "$dir/cleared" ]
report retain-clear $? cleared

subscribe will -t "$run/will" -q 1 -C 1
watcher=$subscriber
# Without a timeout around it, so that the kill hits the client itself.
stdbuf -oL mosquitto_sub -d "${arguments[@]}" -t "$run/other" --will-topic "$run/will" \
  --will-payload gone --will-qos 1 >"$dir/mortal" 2>/dev/null &
mortal=$!
for _ in $(seq 100); do
  grep -q '^Subscribed' "$dir/mortal" && break
  sleep 0.05
done
{ kill -9 $mortal && wait $mortal; } 2>/dev/null
received will $watcher
[ "$(cat "$dir/will")" = gone ]
report will $? will

expiry=()
[ "$version" = 5 ] && expiry=(-x 60)
owner=(-i "$run-session" -c "${expiry[@]}" -q 1 -t "$run/session")
timeout 5 mosquitto_sub "${arguments[@]}" "${owner[@]}" -E 2>>"$dir/errors"
publish -t "$run/session" -m offline1 -q 1
publish -t "$run/session" -m offline2 -q 2
timeout 8 mosquitto_sub "${arguments[@]}" "${owner[@]}" -C 2 >"$dir/session" 2>>"$dir/errors"
[ "$(tr '\n' ' ' <"$dir/session")" = "offline1 offline2 " ]
report session $? session
timeout 5 mosquitto_sub "${arguments[@]}" -i "$run-session" -t "$run/session" -E >/dev/null 2>&1

head -c 250000 /dev/zero | tr '\0' a >"$dir/payload"
subscribe large -t "$run/large" -q 1 -C 1
publish -t "$run/large" -f "$dir/payload" -q 1
received large $subscriber
echo >>"$dir/payload"
cmp -s "$dir/large" "$dir/payload"
report large $?

[ "$version" = 5 ] || exit 0

subscribe properties -t "$run/properties/#" -q 1 -C 1 -D subscribe subscription-identifier 77 \
  -F '%P|%R|%D|%C|%S|%E'
publish -t "$run/properties/1" -m x -q 1 -D publish user-property k v \
  -D publish response-topic reply -D publish correlation-data data -D publish content-type text \
  -D publish message-expiry-interval 100
received properties $subscriber
[[ "$(cat "$dir/properties")" == "k:v|reply|data|text|77|"* ]]
report properties $? properties

# The responder answers on the response topic that it read from the request.
subscribe request -t "$run/request" -C 1 -F '%R'
responder=$subscriber
timeout 8 mosquitto_rr "${arguments[@]}" -t "$run/request" -e "$run/response" -m ask \
  >"$dir/response" 2>>"$dir/errors" &
requester=$!
received request $responder
publish -t "$(cat "$dir/request")" -m answer -q 1
wait $requester
[ "$(head -1 "$dir/response")" = answer ]
report request-response $? response
