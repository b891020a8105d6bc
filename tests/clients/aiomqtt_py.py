#!/usr/bin/env python3
"""Drives aiomqtt: aiomqtt_py.py URL VERSION [CA]; prints 'FEATURE ok' or 'FEATURE FAIL why'."""

import asyncio
import os

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from driver import CA, IS_TLS, IS_V5, IS_WEBSOCKET, PATIENCE, QUIET, URL
from driver import client_id, report, topic


def client(name=None, clean=True, expiry=None, will=None):
    options = dict(
        hostname=URL.hostname,
        port=URL.port,
        identifier=name or client_id(),
        protocol=aiomqtt.ProtocolVersion.V5 if IS_V5 else aiomqtt.ProtocolVersion.V311,
        timeout=PATIENCE,
        will=will,
    )
    if IS_WEBSOCKET:
        options.update(transport="websockets", websocket_path=URL.path or "/mqtt")
    if IS_TLS:
        options["tls_params"] = aiomqtt.TLSParameters(ca_certs=CA)
    if IS_V5:
        options["clean_start"] = clean
        if expiry is not None:
            options["properties"] = Properties(PacketTypes.CONNECT)
            options["properties"].SessionExpiryInterval = expiry
    else:
        options["clean_session"] = clean
    return aiomqtt.Client(**options)


async def next_of(subscriber, patience=PATIENCE):
    return await asyncio.wait_for(anext(subscriber.messages), patience)


async def expect_nothing(subscriber):
    try:
        message = await next_of(subscriber, QUIET)
    except asyncio.TimeoutError:
        return
    raise AssertionError(f"unexpected {message.topic}")


async def connect():
    async with client():
        pass


def qos(level):
    async def run():
        async with client() as subscriber, client() as publisher:
            await subscriber.subscribe(topic(f"qos{level}"), level)
            await publisher.publish(topic(f"qos{level}"), "hello", level)
            message = await next_of(subscriber)
            assert message.payload == b"hello" and message.qos == level

    return run


async def retain():
    async with client() as publisher:
        await publisher.publish(topic("retain"), "keep", 1, True)
    async with client() as subscriber:
        await subscriber.subscribe(topic("retain"), 1)
        message = await next_of(subscriber)
        assert message.retain and message.payload == b"keep"
        await subscriber.publish(topic("retain"), None, 1, True)
    async with client() as late:
        await late.subscribe(topic("retain"), 1)
        await expect_nothing(late)


async def will():
    async with client() as subscriber:
        await subscriber.subscribe(topic("will"), 1)
        mortal = client(will=aiomqtt.Will(topic("will"), b"gone", 1))
        await mortal.__aenter__()
        mortal._client._sock_close()
        assert (await next_of(subscriber)).payload == b"gone"


async def session():
    name = client_id()
    async with client(name, IS_V5, 60) as owner:
        await owner.subscribe(topic("session"), 1)
    async with client() as publisher:
        await publisher.publish(topic("session"), "1", 1)
        await publisher.publish(topic("session"), "2", 1)
    async with client(name, False, 0) as owner:
        got = [(await next_of(owner)).payload for _ in range(2)]
        assert got == [b"1", b"2"], got


async def properties():
    async with client() as subscriber, client() as publisher:
        sent = Properties(PacketTypes.PUBLISH)
        sent.UserProperty = [("x", "y")]
        sent.ResponseTopic = topic("reply")
        sent.CorrelationData = b"c"
        await subscriber.subscribe(topic("properties"), 1)
        await publisher.publish(topic("properties"), "1", 1, properties=sent)
        got = (await next_of(subscriber)).properties
        for name in ["UserProperty", "ResponseTopic", "CorrelationData"]:
            assert getattr(got, name) == getattr(sent, name), name


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


asyncio.run(main())
# Clients that failed midway must not hold the process.
os._exit(0)
