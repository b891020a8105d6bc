"""A subscriber of the fault lab, by Paho: lab_paho.py PORT CLIENT_ID FILTER HOW.

Says 'subscribed', and 'got TOPIC' for each message. HOW it takes them: 'fine', 'raises' an exception
in the callback, 'blocks' there, or 'leaves' without the acknowledgement that is up to it.
"""

import sys
import threading

import paho.mqtt.client as paho

port, client_id, topic_filter, how = sys.argv[1:]


def on_connect(client, _userdata, _flags, _reason, _properties):
    client.subscribe(topic_filter, 1)


def on_subscribe(_client, _userdata, _mid, _reasons, _properties):
    print("subscribed", flush=True)


def on_message(_client, _userdata, message):
    print("got", message.topic, flush=True)
    if how == "raises":
        raise ValueError("the payload is not what was expected")
    if how == "blocks":
        threading.Event().wait()
    if how == "leaves":
        _client.disconnect()


client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv311, manual_ack=how == "leaves")
client.on_connect, client.on_subscribe = on_connect, on_subscribe
client.on_message = on_message
client.connect("127.0.0.1", int(port))
client.loop_start()
# Whoever started it ends it; the thread of the library may be dead by then.
threading.Event().wait()
