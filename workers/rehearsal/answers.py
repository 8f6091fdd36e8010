"""Whether a server on loopback is up, asked in its own protocol."""

import socket
import struct

from workers.rehearsal.server import HOST


def kafka_answers(port: int) -> bool:
    """Whether a broker answers ApiVersions v0, the one request that every Kafka understands."""
    correlation, client = 20190101, b"yidan"
    request = struct.pack(">hhih", 18, 0, correlation, len(client)) + client
    with socket.create_connection((HOST, port), timeout=2.0) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb").read(10)
    return len(answer) == 10 and struct.unpack(">ih", answer[4:]) == (correlation, 0)


def redis_answers(port: int) -> bool:
    """Whether a store answers PING; one that is still loading its log says so instead."""
    with socket.create_connection((HOST, port), timeout=2.0) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64) == b"+PONG\r\n"
