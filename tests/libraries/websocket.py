# SPDX-License-Identifier: MIT
"""websocket.py PORT TLS-PORT CERTIFICATE KEY - a server of WebSocket, by Debian's
python3-websockets: /echo sends each message back, /late after 100 ms, /parts in
frames of a few bytes each; /bye says goodbye."""

import asyncio
import ssl
import sys

import websockets


async def talk(socket):
    async for message in socket:
        if socket.path == "/late":
            await asyncio.sleep(0.1)
        if socket.path == "/parts":
            parts = [message[i:i + 7] for i in range(0, len(message), 7)]
            await socket.ping()
            await socket.send(parts)
        elif socket.path == "/bye":
            await socket.close(4000, message)
        else:
            await socket.send(message)


async def main(plain, secure, certificate, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    options = {"host": "127.0.0.1", "backlog": 1000, "max_size": 1 << 24}
    await websockets.serve(talk, port=int(plain), **options)
    await websockets.serve(talk, port=int(secure), ssl=tls, **options)
    await asyncio.Future()

asyncio.run(main(*sys.argv[1:]))
