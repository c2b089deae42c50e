"""Accepts a bundle with other programs: accept.py BUNDLE PUBLIC_KEY...; exit code 1 if anything is wrong with it."""

import hashlib
import json
import sys
import tarfile

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1 import statement_pb2
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"


def public_key(path):
    """A public key under the id that the bundle gives it: the SHA-256 of its SubjectPublicKeyInfo."""
    with open(path, "rb") as file:
        key = load_pem_public_key(file.read())
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(key, keyid=hashlib.sha256(der).hexdigest())


def main(bundle, *keys):
    with tarfile.open(bundle, "r:gz") as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive}
    document = json.loads(files.pop("statement.dsse.json"))
    envelope = Envelope.from_dict(json.loads(json.dumps(document)))
    assert envelope.payload_type == PAYLOAD_TYPE, envelope.payload_type
    keys = [public_key(path) for path in keys]
    accepted = envelope.verify(keys, len(keys))
    assert len(accepted) == len(keys), accepted

    payload = json.loads(envelope.payload)
    message = json_format.Parse(envelope.payload, statement_pb2.Statement())
    statement = Statement.copy_from_pb(message)
    statement.validate()
    assert message.predicate_type == PREDICATE_TYPE, message.predicate_type
    result = json_format.ParseDict(payload["predicate"], TestResult(), ignore_unknown_fields=True)
    assert result.result == "FAILED", "a lab run passes"
    assert not result.passed_tests, "a lab run has passed tests"
    subjects = {subject.name: subject.digest["sha256"] for subject in message.subject}
    assert subjects == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}

    # The check is one: it refuses another payload.
    envelope.payload = envelope.payload.replace(b"FAILED", b"PASSED")
    try:
        envelope.verify(keys, len(keys))
    except VerificationError:
        print(f"accepted: {len(files)} files, {len(keys)} signatures")
        return
    raise AssertionError("an altered payload was accepted")


if __name__ == "__main__":
    main(*sys.argv[1:])
