"""What the Python drivers share: their arguments, a run of the features, the lines they print."""

import argparse
import os
import random
import sys
import urllib.parse

parser = argparse.ArgumentParser(description="Runs one client library against a broker.")
parser.add_argument("url", help="mqtt://, mqtts://, ws:// or wss://")
parser.add_argument("version", choices=["31", "311", "5"])
parser.add_argument("ca", nargs="?", help="certificate of the authority, for TLS")
arguments = parser.parse_args()

URL = urllib.parse.urlparse(arguments.url)
VERSION = arguments.version
IS_V5 = VERSION == "5"
CA = arguments.ca
IS_WEBSOCKET = URL.scheme in ("ws", "wss")
IS_TLS = URL.scheme in ("mqtts", "wss")

# Seconds that an answer or a message may take.
PATIENCE = 8
# Seconds in which a message that must not come would have come.
QUIET = 0.6

# Every run uses topics and client ids of its own, so that runs do not meet.
RUN = f"{os.path.basename(sys.argv[0])[0]}{random.getrandbits(40):010x}"


def topic(name):
    return f"{RUN}/{name}"


def client_id():
    return f"{RUN}{random.getrandbits(24):06x}"


def report(feature, error=None):
    """Prints the one line of a feature."""
    if error is None:
        print(feature, "ok", flush=True)
    else:
        why = f"{type(error).__name__} {error}".replace("\n", " ")[:150]
        print(feature, "FAIL", why, flush=True)
