#!/usr/bin/env python3
"""Drives paho-mqtt: paho_py.py URL VERSION [CA]; prints 'FEATURE ok' or 'FEATURE FAIL why'."""

import os
import queue
import time

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from driver import CA, IS_TLS, IS_V5, IS_WEBSOCKET, PATIENCE, QUIET, URL, VERSION
from driver import client_id, report, topic

PROTOCOL = {"31": paho.MQTTv31, "311": paho.MQTTv311, "5": paho.MQTTv5}[VERSION]


class Client:
    """A connected client whose callbacks end in queues."""

    def __init__(self, name=None, clean=True, expiry=None, will=None):
        self.messages, self.connected, self.acknowledged = queue.Queue(), queue.Queue(), queue.Queue()
        self.paho = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id() if name is None else name,
            protocol=PROTOCOL,
            transport="websockets" if IS_WEBSOCKET else "tcp",
            **({} if IS_V5 else {"clean_session": clean}),
        )
        if IS_WEBSOCKET:
            self.paho.ws_set_options(path=URL.path or "/mqtt")
        if IS_TLS:
            self.paho.tls_set(ca_certs=CA)
        if will:
            self.paho.will_set(*will)
        self.paho.on_connect = lambda c, u, flags, rc, props: self.connected.put((flags, rc, props))
        self.paho.on_message = lambda c, u, message: self.messages.put(message)
        self.paho.on_subscribe = lambda c, u, mid, codes, props: self.acknowledged.put(codes)
        self.paho.on_unsubscribe = lambda c, u, mid, codes, props: self.acknowledged.put(codes)
        options = {}
        if IS_V5:
            options = {"clean_start": clean, "properties": Properties(PacketTypes.CONNECT)}
            if expiry is not None:
                options["properties"].SessionExpiryInterval = expiry
        self.paho.connect(URL.hostname, URL.port, 30, **options)
        self.paho.loop_start()
        self.flags, code, self.properties = self.connected.get(timeout=PATIENCE)
        assert not code.is_failure, code

    def subscribe(self, name, qos=0, properties=None, **options):
        if IS_V5:
            options = SubscribeOptions(qos=qos, **options)
            self.paho.subscribe(name, options=options, properties=properties)
        else:
            self.paho.subscribe(name, qos)
        return self.acknowledged.get(timeout=PATIENCE)

    def unsubscribe(self, name):
        self.paho.unsubscribe(name)
        return self.acknowledged.get(timeout=PATIENCE)

    def publish(self, name, payload, qos=0, retain=False, properties=None):
        options = {"properties": properties} if IS_V5 else {}
        info = self.paho.publish(name, payload, qos, retain, **options)
        info.wait_for_publish(PATIENCE)
        assert info.is_published()

    def next(self, patience=PATIENCE):
        return self.messages.get(timeout=patience)

    def expect_nothing(self, quiet=QUIET):
        try:
            message = self.messages.get(timeout=quiet)
        except queue.Empty:
            return
        raise AssertionError(f"unexpected {message.topic} {message.payload[:20]}")

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def vanish(self):
        """Ends the connection without DISCONNECT."""
        self.paho.loop_stop()
        self.paho._sock_close()


def close(*clients):
    for client in clients:
        client.close()


def connect():
    close(Client())


def qos(level):
    def run():
        subscriber, publisher = Client(), Client()
        subscriber.subscribe(topic(f"qos{level}"), level)
        publisher.publish(topic(f"qos{level}"), f"hello{level}", level)
        message = subscriber.next()
        assert message.payload == b"hello%d" % level and message.qos == level, message.payload
        assert not message.retain
        subscriber.expect_nothing(0.3)
        close(subscriber, publisher)

    return run


def retain():
    publisher, subscriber, late = Client(), Client(), Client()
    publisher.publish(topic("retain/x"), "keep", 1, True)
    subscriber.subscribe(topic("retain/+"), 1)
    message = subscriber.next()
    assert message.payload == b"keep" and message.retain, message.retain
    publisher.publish(topic("retain/x"), "", 1, True)
    late.subscribe(topic("retain/x"), 1)
    late.expect_nothing()
    close(publisher, subscriber, late)


def will():
    subscriber = Client()
    subscriber.subscribe(topic("will"), 1)
    Client(will=(topic("will"), b"gone", 1, False)).vanish()
    assert subscriber.next().payload == b"gone"
    Client(will=(topic("will"), b"never", 1, False)).close()
    subscriber.expect_nothing()
    close(subscriber)


def session():
    name = client_id()
    owner = Client(name, clean=IS_V5, expiry=60)
    assert not owner.flags.session_present
    owner.subscribe(topic("session/#"), 2)
    close(owner)
    publisher = Client()
    for number, level in [(1, 1), (2, 1), (3, 2)]:
        publisher.publish(topic(f"session/{number}"), f"offline{number}", level)
    owner = Client(name, clean=False, expiry=60)
    # MQTT 3.1 has no session present flag.
    assert VERSION == "31" or owner.flags.session_present, "no session present"
    got = [owner.next().payload for _ in range(3)]
    assert got == [b"offline1", b"offline2", b"offline3"], got
    close(owner)
    owner = Client(name, clean=True, expiry=0)
    assert not owner.flags.session_present
    owner.expect_nothing(0.4)
    close(owner, publisher)


def large():
    subscriber, publisher, payload = Client(), Client(), os.urandom(300_000)
    subscriber.subscribe(topic("large"), 1)
    publisher.publish(topic("large"), payload, 1)
    assert subscriber.next(15).payload == payload
    close(subscriber, publisher)


def unsubscribe():
    subscriber, publisher = Client(), Client()
    subscriber.subscribe(topic("unsubscribe"), 1)
    subscriber.unsubscribe(topic("unsubscribe"))
    publisher.publish(topic("unsubscribe"), "x", 1)
    subscriber.expect_nothing()
    close(subscriber, publisher)


def order():
    subscriber, publisher = Client(), Client()
    subscriber.subscribe(topic("order"), 1)
    for number in range(200):
        publisher.paho.publish(topic("order"), str(number), 1)
    got = [int(subscriber.next().payload) for _ in range(200)]
    assert got == list(range(200)), "out of order"
    close(subscriber, publisher)


def wildcard():
    subscriber, publisher = Client(), Client()
    subscriber.subscribe(topic("plus/+/c"), 1)
    subscriber.subscribe(topic("hash/#"), 1)
    publisher.publish(topic("plus/b/c"), "1", 1)
    assert subscriber.next().payload == b"1"
    publisher.publish(topic("hash"), "2", 1)
    assert subscriber.next().payload == b"2"
    publisher.publish(topic("plus/b/d"), "3", 1)
    subscriber.expect_nothing(0.4)
    close(subscriber, publisher)


def properties():
    subscriber, publisher = Client(), Client()
    subscriber.subscribe(topic("properties"), 2)
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = [("a", "1"), ("a", "2")]
    sent.ContentType = "text/x"
    sent.ResponseTopic = topic("reply")
    sent.CorrelationData = b"\x01\x02"
    sent.PayloadFormatIndicator = 1
    sent.MessageExpiryInterval = 100
    publisher.publish(topic("properties"), "x", 2, properties=sent)
    got = subscriber.next().properties
    for name in ["UserProperty", "ContentType", "ResponseTopic", "CorrelationData"]:
        assert getattr(got, name) == getattr(sent, name), name
    assert got.PayloadFormatIndicator == 1 and 98 <= got.MessageExpiryInterval <= 100, str(got)
    close(subscriber, publisher)


def subscription_id():
    subscriber, publisher = Client(), Client()
    options = Properties(PacketTypes.SUBSCRIBE)
    options.SubscriptionIdentifier = 70000
    subscriber.subscribe(topic("id/#"), 1, properties=options)
    publisher.publish(topic("id/1"), "x", 1)
    assert subscriber.next().properties.SubscriptionIdentifier == [70000]
    close(subscriber, publisher)


def shared():
    members, publisher = [Client(), Client()], Client()
    for member in members:
        member.subscribe("$share/group/" + topic("shared"), 1)
    for number in range(20):
        publisher.publish(topic("shared"), str(number), 1)
    time.sleep(1)
    count = sum(member.messages.qsize() for member in members)
    assert count == 20, count
    close(*members, publisher)


def no_local():
    client = Client()
    client.subscribe(topic("mine"), 1, noLocal=True)
    client.publish(topic("mine"), "x", 1)
    client.expect_nothing()
    client.subscribe(topic("all"), 1)
    client.publish(topic("all"), "x", 1)
    client.next()
    close(client)


def assigned_id():
    client = Client("")
    assert client.properties.AssignedClientIdentifier
    close(client)


def message_expiry():
    name, publisher = client_id(), Client()
    owner = Client(name, expiry=60)
    owner.subscribe(topic("expiry"), 1)
    close(owner)
    options = Properties(PacketTypes.PUBLISH)
    options.MessageExpiryInterval = 1
    publisher.publish(topic("expiry"), "dead", 1, properties=options)
    publisher.publish(topic("expiry"), "live", 1)
    time.sleep(2.2)
    owner = Client(name, clean=False, expiry=0)
    assert owner.next().payload == b"live"
    owner.expect_nothing(0.3)
    close(owner, publisher)


def topic_alias():
    subscriber, publisher = Client(), Client()
    subscriber.subscribe(topic("alias"), 1)
    assert getattr(publisher.properties, "TopicAliasMaximum", 0) > 0, "the broker allows none"
    for name, payload in [(topic("alias"), "1"), ("", "2")]:
        options = Properties(PacketTypes.PUBLISH)
        options.TopicAlias = 1
        publisher.publish(name, payload, 1, properties=options)
        message = subscriber.next()
        assert message.payload == payload.encode() and message.topic == topic("alias")
    close(subscriber, publisher)


FEATURES = {
    "connect": connect,
    "qos0": qos(0),
    "qos1": qos(1),
    "qos2": qos(2),
    "retain": retain,
    "will": will,
    "session": session,
    "large": large,
    "unsubscribe": unsubscribe,
    "order": order,
    "wildcard": wildcard,
}
if IS_V5:
    FEATURES |= {
        "properties": properties,
        "subscription-id": subscription_id,
        "shared": shared,
        "no-local": no_local,
        "assigned-id": assigned_id,
        "message-expiry": message_expiry,
        "topic-alias": topic_alias,
    }

for feature, run in FEATURES.items():
    try:
        run()
        report(feature)
    except Exception as error:
        report(feature, error)
# Threads of clients that failed midway must not hold the process.
os._exit(0)
