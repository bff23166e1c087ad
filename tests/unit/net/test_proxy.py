"""The PROXY header, in both versions."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.net.proxy import ProxyError, ProxyHeader, parse, plain_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
CLIENT, US = ipaddress.ip_address("203.0.113.7"), ipaddress.ip_address("192.0.2.1")
V4 = SIGNATURE + struct.pack("!BBH4s4sHH", 0x21, 0x11, 12, CLIENT.packed, US.packed, 40000, 25)
V6_CLIENT = ipaddress.ip_address("2001:db8::7")
V6 = SIGNATURE + struct.pack("!BBH16s16sHH", 0x21, 0x21, 36 + 3, V6_CLIENT.packed, V6_CLIENT.packed, 1, 2) + b"tlv"
MAPPED = ipaddress.ip_address("::ffff:203.0.113.7")
V6_MAPPED = SIGNATURE + struct.pack("!BBH16s16sHH", 0x21, 0x21, 36, MAPPED.packed, MAPPED.packed, 1, 2)
LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 25\r\n"


@pytest.mark.parametrize(
    ("octets", "source"),
    [
        (LINE, CLIENT),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n", V6_CLIENT),
        (b"PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 40000 25\r\n", CLIENT),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        (V4, CLIENT),
        (V6, V6_CLIENT),
        (V6_MAPPED, CLIENT),
        (SIGNATURE + b"\x20\x00\x00\x00", None),
    ],
)
def test_header_tells_the_client_and_its_own_length(octets, source):
    header = parse(octets + b"EHLO client\r\n")
    assert header is not None
    assert (header.source, header.octets) == (source, len(octets))
    for length in range(len(octets)):
        assert parse(octets[:length]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client\r\n",
        b"\x16\x03\x01",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.1 40000 25\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 65536\r\n",
        b"PROXY TCP4  203.0.113.7 192.0.2.1 40000 25\r\n",
        b"PROXY TCP5 203.0.113.7 192.0.2.1 40000 25\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x11\x11\x00\x0c",
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE + b"\x21\x31\x00\x00",
        SIGNATURE + b"\x21\x11\x00\x04abcd",
    ],
)
def test_anything_else_is_an_error(octets):
    with pytest.raises(ProxyError):
        parse(octets)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00"])
)
def test_no_octets_raise_anything_but_proxy_error(rest, start):
    try:
        header = parse(start + rest)
    except ProxyError:
        return
    assert header is None or isinstance(header, ProxyHeader)


def test_addresses_lose_zone_and_mapping():
    assert plain_address("fe80::1%eth0") == ipaddress.ip_address("fe80::1")
    assert plain_address("::ffff:192.0.2.1") == ipaddress.ip_address("192.0.2.1")
    assert plain_address("192.0.2.1") == ipaddress.ip_address("192.0.2.1")
