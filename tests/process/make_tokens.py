#!/usr/bin/python3
"""Keys and tokens by an implementation that is not ours: Debian's python3-jwt over python3-cryptography.

    make_tokens.py <request    {"keys": {"1": "RS256", ...}, "tokens": [{"key": "1", "claims": {...}, "kid": true}, ...]}
    answer on standard output  {"jwks": {"keys": [...]}, "tokens": ["...", ...]}

Runs under Debian's Python, whichever one runs the tests.
"""
import base64
import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def base64url(number, size):
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).decode().rstrip("=")


def make_key(algorithm, bits=2048):
    if algorithm == "RS256":
        key = rsa.generate_private_key(65537, bits)
        numbers = key.public_key().public_numbers()
        return key, {"kty": "RSA", "n": base64url(numbers.n, bits // 8), "e": "AQAB"}
    if algorithm == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
        numbers = key.public_key().public_numbers()
        return key, {"kty": "EC", "crv": "P-256", "x": base64url(numbers.x, 32), "y": base64url(numbers.y, 32)}
    key = ed25519.Ed25519PrivateKey.generate()
    octets = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key, {"kty": "OKP", "crv": "Ed25519", "x": base64url(int.from_bytes(octets, "big"), 32)}


def main():
    request = json.load(sys.stdin)
    private, public = {}, []
    for kid, algorithm in request["keys"].items():
        private[kid], jwk = make_key(algorithm, request.get("bits", 2048))
        public.append({**jwk, "kid": kid, "alg": algorithm, "use": "sig"})
    tokens = []
    for token in request["tokens"]:
        headers = {"kid": token["key"]} if token.get("kid", True) else None
        tokens.append(jwt.encode(token["claims"], private[token["key"]], request["keys"][token["key"]], headers=headers))
    json.dump({"jwks": {"keys": public}, "tokens": tokens}, sys.stdout)


if __name__ == "__main__":
    main()
