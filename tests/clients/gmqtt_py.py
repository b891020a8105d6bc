#!/usr/bin/env python3
"""Drives gmqtt (TCP and TLS): gmqtt_py.py URL VERSION [CA]; prints 'FEATURE ok' or 'FEATURE FAIL why'."""

import asyncio
import contextlib
import logging
import os
import ssl

import gmqtt
from gmqtt.mqtt.constants import MQTTv50, MQTTv311

from driver import CA, IS_TLS, IS_V5, PATIENCE, QUIET, URL
from driver import client_id, report, topic

logging.disable(logging.CRITICAL)


class Client:
    """A connected client whose callbacks end in a queue and events."""

    def __init__(self, name=None, clean=True, will=None, **properties):
        self.messages = asyncio.Queue()
        self.connected, self.subscribed = asyncio.Event(), asyncio.Event()
        self.gmqtt = gmqtt.Client(
            name or client_id(), clean_session=clean, will_message=will, **properties
        )
        self.gmqtt.set_config({"reconnect_retries": 0})
        self.gmqtt.on_connect = lambda c, flags, code, properties: self.connected.set()
        self.gmqtt.on_subscribe = lambda c, mid, codes, properties: self.subscribed.set()
        self.gmqtt.on_message = self.on_message

    def on_message(self, _, name, payload, level, properties):
        self.messages.put_nowait((payload, level, properties))
        return 0

    async def open(self):
        tls = ssl.create_default_context(cafile=CA) if IS_TLS else False
        version = MQTTv50 if IS_V5 else MQTTv311
        connecting = self.gmqtt.connect(
            URL.hostname, URL.port, ssl=tls, keepalive=30, version=version
        )
        await asyncio.wait_for(connecting, PATIENCE)
        await asyncio.wait_for(self.connected.wait(), PATIENCE)
        return self

    async def subscribe(self, name, level=0, **options):
        self.subscribed.clear()
        self.gmqtt.subscribe(name, level, **options)
        await asyncio.wait_for(self.subscribed.wait(), PATIENCE)

    def publish(self, name, payload, **options):
        self.gmqtt.publish(name, payload, **options)

    async def next(self, patience=PATIENCE):
        return await asyncio.wait_for(self.messages.get(), patience)

    async def expect_nothing(self):
        try:
            payload, _, _ = await self.next(QUIET)
        except asyncio.TimeoutError:
            return
        raise AssertionError(f"unexpected {payload}")

    async def close(self):
        # asyncio complains about what the broker still sends while TLS closes.
        with contextlib.suppress(ssl.SSLError):
            await self.gmqtt.disconnect()


async def close(*clients):
    for client in clients:
        await client.close()


async def connect():
    await close(await Client().open())


def qos(level):
    async def run():
        subscriber, publisher = await Client().open(), await Client().open()
        await subscriber.subscribe(topic(f"qos{level}"), level)
        publisher.publish(topic(f"qos{level}"), "hello", qos=level)
        message = await subscriber.next()
        assert message[:2] == (b"hello", level), message
        await close(subscriber, publisher)

    return run


async def retain():
    publisher = await Client().open()
    publisher.publish(topic("retain"), "keep", qos=1, retain=True)
    # gmqtt does not tell when a message is acknowledged.
    await asyncio.sleep(0.3)
    subscriber = await Client().open()
    await subscriber.subscribe(topic("retain"), 1)
    payload, _, properties = await subscriber.next()
    assert payload == b"keep" and properties.get("retain"), payload
    publisher.publish(topic("retain"), "", qos=1, retain=True)
    await asyncio.sleep(0.3)
    late = await Client().open()
    await late.subscribe(topic("retain"), 1)
    await late.expect_nothing()
    await close(publisher, subscriber, late)


async def will():
    subscriber = await Client().open()
    await subscriber.subscribe(topic("will"), 1)
    mortal = await Client(will=gmqtt.Message(topic("will"), "gone", qos=1)).open()
    mortal.gmqtt._connection._transport.abort()
    assert (await subscriber.next())[0] == b"gone"
    await close(subscriber)


async def session():
    def expiry(secs):
        return {"session_expiry_interval": secs} if IS_V5 else {}

    name = client_id()
    owner, publisher = await Client(name, IS_V5, **expiry(60)).open(), await Client().open()
    await owner.subscribe(topic("session"), 1)
    await close(owner)
    publisher.publish(topic("session"), "1", qos=1)
    publisher.publish(topic("session"), "2", qos=1)
    await asyncio.sleep(0.5)
    owner = await Client(name, False, **expiry(0)).open()
    got = [(await owner.next())[0] for _ in range(2)]
    assert got == [b"1", b"2"], got
    await close(owner, publisher)


async def properties():
    subscriber, publisher = await Client().open(), await Client().open()
    await subscriber.subscribe(topic("properties"), 1, subscription_identifier=77)
    publisher.publish(
        topic("properties"),
        "x",
        qos=1,
        user_property=("k", "v"),
        content_type="t/x",
        response_topic=topic("reply"),
    )
    got = (await subscriber.next())[2]
    assert got["user_property"] == [("k", "v")] and got["content_type"] == ["t/x"], got
    assert got["subscription_identifier"] == [77], got
    await close(subscriber, publisher)


FEATURES = {
    "connect": connect,
    "qos0": qos(0),
    "qos1": qos(1),
    "qos2": qos(2),
    "retain": retain,
    "will": will,
    "session": session,
}
if IS_V5:
    FEATURES["properties"] = properties


async def main():
    for feature, run in FEATURES.items():
        try:
            await asyncio.wait_for(run(), 25)
            report(feature)
        except Exception as error:
            report(feature, error)
    # Clients that failed midway must not hold the process.
    os._exit(0)


asyncio.run(main())
