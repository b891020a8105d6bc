#!/usr/bin/env python3
"""Loads a broker that is killed again and again, and says what became of every message.

crash_paho.py PORT [PATIENCE]: reads commands, one a line, and answers each with a line of JSON.

  load [BYTES]  publish until told otherwise, with payloads that are at least so long
  count         how much is acknowledged
  drain         have those who are away at QoS 1 come for all that is acknowledged by now, and say what is missing
  live          have clients come whose sessions end with their connection, subscribe, and send each other messages; say
                what of that has no answer or does not arrive
  check         stop publishing, wait until every message is acknowledged and has arrived, and report
"""

import collections
import json
import sys
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT = int(sys.argv[1])
# Seconds that everything may take to arrive once the broker is up for good.
PATIENCE = int(sys.argv[2]) if len(sys.argv) > 2 else 60
# Messages that a publisher has unacknowledged at most.
OPEN_MAX = 50
# What each client publishes that is there only for a while.
LIVE_MESSAGES = 30
FOREVER = 0xFFFFFFFF


class Paho(paho.Client):
    """Paho, but for two faults of paho-mqtt 2.2: if a connection ends before its CONNACK, a QoS 2
    message whose PUBREL is to be sent again is published anew, under an id that is free by then; and
    what is published between the start of a connection and its CONNACK goes out before the messages
    that have to be sent again, so the broker gets them out of order."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._gate = threading.Lock()
        self._may_publish = False

    def publish_if_connected(self, *args):
        """Publishes, if all that had to be sent again has been. Whether it did."""
        with self._gate:
            if self._may_publish:
                self.publish(*args)
            return self._may_publish

    def reconnect(self):
        with self._gate:
            self._may_publish = False
        return super().reconnect()

    def _handle_connack(self):
        done = super()._handle_connack()
        with self._gate:
            self._may_publish = self.is_connected()
        return done

    def _messages_reconnect_reset_out(self):
        with self._out_message_mutex:
            for message in self._out_messages.values():
                if message.state == paho.MessageState.MQTT_MS_RESEND_PUBREL:
                    message.state = paho.MessageState.MQTT_MS_WAIT_FOR_PUBCOMP
        super()._messages_reconnect_reset_out()


class Client:
    """A client with a session that lasts, which comes back whenever it is let go."""

    def __init__(self, name, version, filters=()):
        self.filters = list(filters)
        self.granted = threading.Event()
        self.is_v5 = version == paho.MQTTv5
        self.options = {}
        clean = {} if self.is_v5 else {"clean_session": False}
        self.paho = Paho(
            paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **clean
        )
        if self.is_v5:
            self.options = {"clean_start": False, "properties": Properties(PacketTypes.CONNECT)}
            self.options["properties"].SessionExpiryInterval = FOREVER
        self.paho.reconnect_delay_set(min_delay=0.02, max_delay=0.1)
        self.paho.on_connect = self.on_connect
        self.paho.on_subscribe = lambda *_: self.granted.set()
        self.lost_sessions = 0

    def on_connect(self, client, userdata, flags, reason, properties):
        if reason.is_failure:
            return
        if self.granted.is_set() and not flags.session_present:
            # What was granted was promised to last.
            self.lost_sessions += 1
        if self.filters and not self.granted.is_set():
            client.subscribe(self.filters)

    def start(self):
        self.paho.connect_async("127.0.0.1", PORT, 20, **self.options)
        self.paho.loop_start()

    def stop(self):
        self.paho.disconnect()
        self.paho.loop_stop()


class Publisher(Client):
    def __init__(self, name, version, qos, topics=None):
        super().__init__(name, version)
        self.qos, self.topics = qos, topics
        self.name = name
        # Each is written by one thread: paho calls back while it holds its own locks.
        self.sent, self.acknowledged = 0, 0
        self.last = {}
        self.paho.max_queued_messages_set(0)
        self.paho.on_publish = self.on_publish

    def on_publish(self, client, userdata, mid, reason, properties):
        self.acknowledged += 1

    def publish_one(self):
        if self.sent - self.acknowledged >= OPEN_MAX:
            return False
        number = self.sent
        topic, retain = f"c/{self.name}", self.topics is not None
        if retain:
            topic = f"r/{self.name}/{number % self.topics}"
        payload = (b"%d" % number).ljust(payload_bytes)
        self.sent += 1
        if not self.paho.publish_if_connected(topic, payload, self.qos, retain):
            self.sent -= 1
            return False
        if retain:
            self.last[topic] = number
        return True


class Subscriber(Client):
    def __init__(self, name, version, qos, is_absent=False):
        super().__init__(name, version, [("c/#", qos)])
        self.name, self.qos, self.is_absent = name, qos, is_absent
        self.lock = threading.Lock()
        self.arrived = collections.defaultdict(list)
        self.paho.on_message = self.on_message

    def on_message(self, client, userdata, message):
        with self.lock:
            self.arrived[message.topic[2:]].append((int(message.payload), message.qos))


class Retained:
    """Reads what is retained, with a session that does not last."""

    def __init__(self):
        self.found, self.done = {}, threading.Event()
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self.paho.on_connect = lambda c, *_: c.subscribe("r/#", 1)
        self.paho.on_message = self.on_message

    def on_message(self, client, userdata, message):
        self.found[message.topic] = int(message.payload)

    def read(self, wanted):
        self.paho.connect("127.0.0.1", PORT, 20)
        self.paho.loop_start()
        wait_until(lambda: self.found == wanted)
        self.paho.disconnect()
        self.paho.loop_stop()
        return self.found


class Live:
    """A client whose session ends with its connection: it publishes and gets what everybody like it does."""

    def __init__(self, name, version):
        self.name = name
        self.granted, self.acknowledged, self.arrived = threading.Event(), 0, []
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
        self.paho.on_connect = lambda client, *_: client.subscribe("live/#", 2)
        self.paho.on_subscribe = lambda *_: self.granted.set()
        self.paho.on_publish = self.on_publish
        self.paho.on_message = lambda client, userdata, message: self.arrived.append(message.payload)

    def on_publish(self, client, userdata, mid, reason, properties):
        self.acknowledged += 1

    def start(self):
        self.paho.connect("127.0.0.1", PORT, 20)
        self.paho.loop_start()

    def publish(self):
        for number in range(LIVE_MESSAGES):
            self.paho.publish(f"live/{self.name}", f"{self.name} {number}", 1 + number % 2)

    def stop(self):
        self.paho.disconnect()
        self.paho.loop_stop()


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


V4, V5 = paho.MQTTv311, paho.MQTTv5
PUBLISHERS = [
    Publisher("p4q1", V4, 1),
    Publisher("p4q2", V4, 2),
    Publisher("p5q1", V5, 1),
    Publisher("p5q2", V5, 2),
]
RETAINERS = [Publisher("r4", V4, 1, topics=7), Publisher("r5", V5, 2, topics=5)]
SUBSCRIBERS = [
    Subscriber("s4q2", V4, 2),
    Subscriber("s5q2", V5, 2),
    Subscriber("s5q1", V5, 1),
    Subscriber("away", V5, 2, is_absent=True),
    Subscriber("away1", V4, 1, is_absent=True),
]
IS_LOADING = threading.Event()
payload_bytes = 0


def publish():
    while True:
        IS_LOADING.wait()
        if not any([publisher.publish_one() for publisher in PUBLISHERS + RETAINERS]):
            time.sleep(0.001)


def faults_of(subscriber, publisher):
    """What is wrong with what a subscriber got of a publisher."""
    arrived = subscriber.arrived[publisher.name]
    numbers = [number for number, _ in arrived]
    first = list(dict.fromkeys(numbers))
    missing = sorted(set(range(publisher.sent)) - set(first))
    faults = []
    if missing:
        faults.append(f"{len(missing)} missing, the first is {missing[0]}")
    if first != sorted(first):
        at = next(i for i in range(1, len(first)) if first[i] < first[i - 1])
        faults.append(f"{first[at]} came behind {first[at - 1]}")
    qos = min(publisher.qos, subscriber.qos)
    if qos == 2 and len(first) != len(numbers):
        twice = next(number for number, count in collections.Counter(numbers).items() if count > 1)
        faults.append(f"{len(numbers) - len(first)} came twice, for example {twice}")
    wrong = [number for number, got in arrived if got != qos]
    if wrong:
        faults.append(f"{wrong[0]} did not come at QoS {qos}")
    return [f"{publisher.name} to {subscriber.name}: {fault}" for fault in faults]


def drain():
    """What does not come of what was acknowledged, to those who need no record for it."""
    wanted = {publisher.name: publisher.acknowledged for publisher in PUBLISHERS}
    missing = 0
    for subscriber in SUBSCRIBERS:
        if not subscriber.is_absent or subscriber.qos != 1:
            continue

        def open_now():
            arrived = {name: {number for number, _ in subscriber.arrived[name]} for name in wanted}
            return sum(len(set(range(wanted[name])) - arrived[name]) for name in wanted)

        subscriber.start()
        wait_until(lambda: open_now() == 0)
        missing += open_now()
        subscriber.stop()
    return {"missing": missing}


def live():
    """What is missing of what nobody has to store: SUBACKs, acknowledgements and messages."""
    clients = [Live("live4", V4), Live("live5", V5)]
    all_messages = LIVE_MESSAGES * len(clients)
    for client in clients:
        client.start()
    wait_until(lambda: all(client.granted.is_set() for client in clients))
    for client in clients:
        client.publish()

    def open_now():
        missing = {"SUBACK": sum(not client.granted.is_set() for client in clients)}
        missing["acknowledgements"] = sum(LIVE_MESSAGES - client.acknowledged for client in clients)
        missing["messages"] = sum(all_messages - len(set(client.arrived)) for client in clients)
        return missing

    wait_until(lambda: not any(open_now().values()))
    missing = open_now()
    for client in clients:
        client.stop()
    return missing


def check():
    IS_LOADING.clear()
    faults = []
    everybody = PUBLISHERS + RETAINERS
    if not wait_until(lambda: all(of.acknowledged == of.sent for of in everybody)):
        open_now = {of.name: of.sent - of.acknowledged for of in everybody}
        stuck = {name: count for name, count in open_now.items() if count}
        faults.append(f"never acknowledged: {stuck}")
    for subscriber in SUBSCRIBERS:
        if subscriber.is_absent:
            subscriber.start()

    def has_all(subscriber):
        return all(
            len({number for number, _ in subscriber.arrived[publisher.name]}) == publisher.sent
            for publisher in PUBLISHERS
        )

    wait_until(lambda: all(has_all(subscriber) for subscriber in SUBSCRIBERS))
    for subscriber in SUBSCRIBERS:
        with subscriber.lock:
            for publisher in PUBLISHERS:
                faults += faults_of(subscriber, publisher)
        if subscriber.is_absent:
            # Its acknowledgements are on their way: a moment, so that it does not start with all of
            # it again.
            time.sleep(0.1)
            subscriber.stop()
    wanted = {topic: last for retainer in RETAINERS for topic, last in retainer.last.items()}
    found = Retained().read(wanted)
    if found != wanted:
        wrong = sorted(topic for topic in wanted if found.get(topic) != wanted[topic])
        faults.append(f"retained: {len(wrong)} of {len(wanted)} wrong, for example {wrong[:1]}")
    lost = sum(client.lost_sessions for client in PUBLISHERS + SUBSCRIBERS)
    if lost:
        faults.append(f"{lost} times a session was gone")
    repeated = 0
    for subscriber in SUBSCRIBERS:
        for arrived in subscriber.arrived.values():
            repeated += len(arrived) - len({number for number, _ in arrived})
    return {
        "published": sum(publisher.sent for publisher in everybody),
        "delivered": sum(len(a) for s in SUBSCRIBERS for a in s.arrived.values()),
        "repeated": repeated,
        "faults": faults,
    }


def main():
    global payload_bytes
    for subscriber in SUBSCRIBERS:
        subscriber.start()
    for subscriber in SUBSCRIBERS:
        assert subscriber.granted.wait(PATIENCE), f"{subscriber.name} was not granted"
        if subscriber.is_absent:
            subscriber.stop()
    for publisher in PUBLISHERS + RETAINERS:
        publisher.start()
    threading.Thread(target=publish, daemon=True).start()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order, *sizes = line.split()
        if order == "load":
            payload_bytes = int(sizes[0]) if sizes else 0
            IS_LOADING.set()
            print(json.dumps({"loading": True}), flush=True)
        elif order == "count":
            acknowledged = sum(of.acknowledged for of in PUBLISHERS + RETAINERS)
            print(json.dumps({"acknowledged": acknowledged}), flush=True)
        elif order == "drain":
            print(json.dumps(drain()), flush=True)
        elif order == "live":
            print(json.dumps(live()), flush=True)
        elif order == "check":
            print(json.dumps(check()), flush=True)


main()
